import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast'
import {
  isBlock,
  isCallExpression,
  isExportDeclaration,
  isFunctionLikeDeclaration,
  isFunctionTypeNode,
  isImportDeclaration,
  isImportTypeNode,
  isInterfaceDeclaration,
  isLiteralTypeNode,
  isMethodSignatureDeclaration,
  isNewExpression,
  isPropertySignatureDeclaration,
  isStringLiteral,
} from 'typescript/unstable/ast/is'
import { API } from 'typescript/unstable/sync'

/** A module that a file names, in an import, an export, or as the file of a thread. */
export interface Import {
  /** As it is written. */
  specifier: string
  /** Whether nothing is left of it when the program runs. */
  typeOnly: boolean
}

/** A function with a body in braces. */
export interface FunctionSize {
  line: number
  lines: number
}

/** An interface, and how many methods it has. */
export interface InterfaceSize {
  name: string
  methods: number
}

/** A file of the program, or of the bench, that is no test. */
export interface Source {
  /** From the project's folder, such as `src/oci/digest.ts`. */
  path: string
  text: string
  imports: Import[]
  functions: FunctionSize[]
  interfaces: InterfaceSize[]
}

const PROJECT = fileURLToPath(new URL('..', import.meta.url))

/** Reads all of a folder but its tests, as the compiler understands it. */
export function readSources(folder: 'src' | 'bench' | 'test/spikes' = 'src'): Source[] {
  const paths = readdirSync(PROJECT + folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => `${folder}/${path}`)
  const api = new API({ cwd: PROJECT })
  try {
    const [project] = api.updateSnapshot({ openProjects: [`${PROJECT}tsconfig.json`] }).getProjects()
    return paths.sort().map((path) => {
      const file = project?.program.getSourceFile(PROJECT + path)
      if (file === undefined) throw new Error(`${path} is not part of the project`)
      return readSource(path, file)
    })
  } finally {
    api.close()
  }
}

function readSource(path: string, file: SourceFile): Source {
  const text = readFileSync(PROJECT + path, 'utf8')
  const source: Source = { path, text, imports: [], functions: [], interfaces: [] }
  const visit = (node: Node): void => {
    const found = importOf(node)
    if (found !== undefined) source.imports.push(found)
    if (isInterfaceDeclaration(node)) {
      source.interfaces.push({ name: node.name.text, methods: node.members.filter(isMethod).length })
    }
    if (isFunctionLikeDeclaration(node) && node.body && isBlock(node.body)) {
      const line = lineAt(text, node.getStart(file))
      source.functions.push({ line, lines: lineAt(text, node.end) - line + 1 })
    }
    node.forEachChild(visit)
  }
  visit(file)
  return source
}

/** Also a property that holds a function is one: it would only be a method in another dress. */
function isMethod(member: Node): boolean {
  if (isPropertySignatureDeclaration(member))
    return member.type !== undefined && isFunctionTypeNode(member.type)
  return isMethodSignatureDeclaration(member)
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}

function importOf(node: Node): Import | undefined {
  if (isImportDeclaration(node)) {
    const typeOnly = node.importClause?.phaseModifier === SyntaxKind.TypeKeyword
    return specifierOf(node.moduleSpecifier, typeOnly)
  }
  if (isExportDeclaration(node)) return specifierOf(node.moduleSpecifier, node.isTypeOnly)
  if (isImportTypeNode(node)) {
    return isLiteralTypeNode(node.argument) ? specifierOf(node.argument.literal, true) : undefined
  }
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
    return specifierOf(node.arguments[0], false)
  }
  // A thread's file: new URL('./hash-thread.ts', import.meta.url)
  if (isNewExpression(node) && node.arguments?.[1]?.getText() === 'import.meta.url') {
    return specifierOf(node.arguments[0], false)
  }
  return undefined
}

function specifierOf(node: Node | undefined, typeOnly: boolean): Import | undefined {
  if (node === undefined) return undefined
  if (!isStringLiteral(node)) throw new Error(`${node.getText()} is no plain name of a module`)
  return { specifier: node.text, typeOnly }
}
