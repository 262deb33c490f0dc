/* In one process, so that the sources are parsed once. */
import './structure/boundaries.ts'
import './structure/budgets.ts'
import './structure/loaded-modules.ts'
import './structure/test-boundaries.ts'
