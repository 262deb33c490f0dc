/** One page of a list: what it holds, and whether anything follows. */
export interface Page<T> {
  items: T[]
  more: boolean
}
