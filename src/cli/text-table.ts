const GAP = '  '

/** A table for people to read, with aligned columns. Each row has a cell for each title. Control characters become spaces. */
export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows.map((cells) => cells.map(onOneLine))]
  const widths = titles.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  const format = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd()
  return lines.map((cells) => `${format(cells)}\n`).join('')
}

function onOneLine(cell: string): string {
  return cell.replaceAll(/\p{Cc}+/gu, ' ')
}
