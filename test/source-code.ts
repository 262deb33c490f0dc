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
  /** Without the tests that it registers: each of them is a function of its own. */
  lines: number
}

/** An interface, and how many methods it has. */
export interface InterfaceSize {
  name: string
  methods: number
}

/** A file of the program, of its tests, or of the bench. */
export interface Source {
  /** From the project's folder, such as `src/oci/digest.ts`. */
  path: string
  text: string
  imports: Import[]
  functions: FunctionSize[]
  interfaces: InterfaceSize[]
}

const PROJECT = fileURLToPath(new URL('..', import.meta.url))

let read: Source[] | undefined

/** All of a folder but its tests, as the compiler understands it. */
export function readSources(folder: 'src' | 'bench' | 'test/spikes' = 'src'): Source[] {
  return readAll().filter(({ path }) => path.startsWith(`${folder}/`) && !path.endsWith('.test.ts'))
}

/** All of test/, and the tests of the bench. */
export function readTests(): Source[] {
  return readAll().filter(({ path }) => /^test\/|^bench\/.*\.test\.ts$/.test(path))
}

/** Reads all files at once, since the compiler takes seconds to open the project. */
function readAll(): Source[] {
  read ??= readFiles(['bench', 'src', 'test'])
  return read
}

function readFiles(folders: readonly string[]): Source[] {
  const paths = folders
    .flatMap((folder) =>
      readdirSync(PROJECT + folder, { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`),
    )
    .filter((path) => path.endsWith('.ts'))
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
    const specifier = specifierNode(node)
    if (specifier !== undefined && (isStringLiteral(specifier.node) || !mayCompute(path)))
      source.imports.push(importOf(specifier))
    if (isInterfaceDeclaration(node)) {
      source.interfaces.push({ name: node.name.text, methods: node.members.filter(isMethod).length })
    }
    if (isFunctionLikeDeclaration(node) && node.body && isBlock(node.body)) {
      const line = lineAt(text, node.getStart(file))
      const lines = lineAt(text, node.end) - line + 1 - linesOfTests(node.body, file)
      source.functions.push({ line, lines })
    }
    node.forEachChild(visit)
  }
  visit(file)
  return source
}

function linesOfTests(node: Node, file: SourceFile): number {
  if (isCallExpression(node) && node.expression.getText(file) === 'test')
    return lineAt(file.text, node.end) - lineAt(file.text, node.getStart(file)) + 1
  let lines = 0
  node.forEachChild((child) => {
    lines += linesOfTests(child, file)
  })
  return lines
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

/** Tests also load modules whose names they compute, such as a page for each extension. */
function mayCompute(path: string): boolean {
  return path.startsWith('test/') || path.endsWith('.test.ts')
}

interface Specifier {
  node: Node
  typeOnly: boolean
}

function specifierNode(node: Node): Specifier | undefined {
  if (isImportDeclaration(node)) {
    const typeOnly = node.importClause?.phaseModifier === SyntaxKind.TypeKeyword
    return { node: node.moduleSpecifier, typeOnly }
  }
  if (isExportDeclaration(node))
    return node.moduleSpecifier && { node: node.moduleSpecifier, typeOnly: node.isTypeOnly }
  if (isImportTypeNode(node))
    return isLiteralTypeNode(node.argument) ? { node: node.argument.literal, typeOnly: true } : undefined
  // A thread's file: new URL('./hash-thread.ts', import.meta.url)
  const isThread = isNewExpression(node) && node.arguments?.[1]?.getText() === 'import.meta.url'
  const isDynamic = isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword
  const [first] = isThread || isDynamic ? (node.arguments ?? []) : []
  return first && { node: first, typeOnly: false }
}

function importOf({ node, typeOnly }: Specifier): Import {
  if (!isStringLiteral(node)) throw new Error(`${node.getText()} is no plain name of a module`)
  return { specifier: node.text, typeOnly }
}
