/** One page of a list: its items, and whether more follow. */
export interface Page<T> {
  items: T[]
  more: boolean
}
