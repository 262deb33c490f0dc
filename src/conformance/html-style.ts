/** The one style sheet of the HTML report: light and dark, wide and narrow, nothing from elsewhere. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f6f7f9, #12151a);
  --card: light-dark(#ffffff, #1a1f26);
  --line: light-dark(#dde2e8, #2e3640);
  --text: light-dark(#1b2129, #e4e8ee);
  --dim: light-dark(#5a6572, #9aa6b4);
  --passed: light-dark(#1a7f45, #56c98a);
  --warned: light-dark(#8f5f00, #e3b341);
  --failed: light-dark(#c4232b, #ff7b72);
  --undecided: light-dark(#0b6fa4, #5cb8e6);
  --skipped: light-dark(#7c3fb5, #c79bf2);
  --unsupported: light-dark(#66707c, #8b96a3);
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; padding: .6rem .9rem; background: color-mix(in srgb, var(--line) 35%, transparent); }
p { margin: .25rem 0; }
h2 + p { margin-bottom: .75rem; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85rem; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: .2em; }
a:hover { text-decoration-color: currentcolor; }
.dim { color: var(--dim); }
.registries { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; margin-top: 1.25rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
.registry { padding: 1rem 1.1rem; }
.registry h2 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
.registry .outcome { white-space: normal; }
.bar { display: block; width: 100%; height: .55rem; border-radius: .3rem; margin: .45rem 0 .3rem; background: var(--line); }
.bar rect { fill: var(--colour); }
.group { margin-top: .8rem; }
.group b { font-weight: 600; }
.counts { display: flex; flex-wrap: wrap; gap: .15rem .9rem; color: var(--dim); font-size: .88rem; }
.counts span::before { content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: .15rem; background: var(--colour); margin-right: .35rem; }
.passed { --colour: var(--passed); } .warned { --colour: var(--warned); } .failed { --colour: var(--failed); }
.undecided { --colour: var(--undecided); }
.skipped { --colour: var(--skipped); } .unsupported { --colour: var(--unsupported); }
.wide { overflow-x: auto; }
.findings h2 { margin-bottom: .1rem; }
.findings .count { color: var(--colour); font-variant-numeric: tabular-nums; }
.findings ul { margin: .6rem 0 0; padding: 0; list-style: none; border-left: 3px solid var(--colour); }
.findings li { padding: .6rem 1.1rem .7rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.findings li:first-child { border-top: 0; }
.findings code { color: var(--dim); font-size: .78rem; }
.difference { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .3rem .8rem; margin-top: .35rem; overflow-wrap: anywhere; }
.difference > div { padding: .3rem .6rem; border-left: 2px solid var(--colour); background: color-mix(in srgb, var(--colour) 7%, transparent); unicode-bidi: isolate; }
.difference .dim { display: block; font-size: .75rem; }
.difference .text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85rem; }
.reason { overflow-wrap: anywhere; }
.filter { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin: 0 0 1rem; }
.filter[hidden], .section[hidden] { display: none; }
.filter input[type=search] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .35rem .6rem; flex: 1 1 14rem; min-width: 0; }
.filter label { cursor: pointer; white-space: nowrap; }
.filter input[type=checkbox] { accent-color: var(--colour); }
.filter output { color: var(--dim); font-size: .88rem; }
.absent { padding: .6rem .9rem; color: var(--dim); }
td.none-offered { color: var(--dim); white-space: normal; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .45rem .9rem; text-align: left; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead small { display: none; }
thead th { font-size: .82rem; color: var(--dim); font-weight: 600; }
tbody th { font-weight: 400; }
td { color: var(--colour); font-variant-numeric: tabular-nums; white-space: nowrap; }
td span { color: var(--colour); margin-right: .7rem; }
td.none { color: var(--line); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.2rem; margin: .6rem 0 1rem; font-size: .88rem; color: var(--dim); }
.section { margin-bottom: 1rem; }
.row { display: grid; grid-template-columns: 1.4rem minmax(0, 1fr) repeat(var(--columns), 7.5rem); gap: .1rem .8rem; padding: .5rem .9rem; align-items: baseline; }
.names { font-size: .82rem; color: var(--dim); font-weight: 600; }
.names span { overflow-wrap: anywhere; }
.names :first-child { grid-column: span 2; }
details.case { border-top: 1px solid var(--line); }
summary { cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:hover { background: color-mix(in srgb, var(--line) 25%, transparent); }
summary:focus-visible { outline: 2px solid var(--passed); outline-offset: -2px; }
summary .mark::before { content: "\\25b8"; color: var(--dim); }
details[open] > summary .mark::before { content: "\\25be"; }
.title code { color: var(--dim); font-size: .78rem; margin-left: .35rem; overflow-wrap: anywhere; }
.level { font-size: .72rem; font-weight: 600; color: var(--dim); border: 1px solid var(--line); border-radius: .25rem; padding: 0 .3rem; margin-right: .35rem; }
.verdict { color: var(--colour); font-weight: 600; font-size: .88rem; white-space: nowrap; }
.verdict small { display: none; }
.inside { padding: .1rem 1.1rem 1rem 3.1rem; }
blockquote { margin: .3rem 0 .8rem; padding: .1rem 0 .1rem .8rem; border-left: 3px solid var(--line); color: var(--dim); }
.answer { border-left: 3px solid var(--colour); padding: .1rem 0 .1rem .9rem; margin: .9rem 0; }
.answer > p:first-child { overflow-wrap: anywhere; }
dl { margin: .5rem 0 0; } dt { font-size: .8rem; font-weight: 600; color: var(--dim); margin-top: .5rem; } dd { margin: 0; }
pre { margin: .2rem 0 0; padding: .6rem .75rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--page); white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto; unicode-bidi: plaintext; }
@media (max-width: 42rem) {
  main { padding: 1rem .75rem 3rem; }
  th, td { padding: .4rem .5rem; }
  .row { grid-template-columns: 1.1rem minmax(0, 1fr); padding: .55rem .7rem; }
  .names { display: none; }
  thead b { display: none; } thead small { display: inline; font-size: .95rem; }
  .row .verdict { grid-column: 2; }
  .single .row { grid-template-columns: 1.1rem minmax(0, 1fr) auto; }
  .single .row .verdict { grid-column: 3; }
  .title code { display: none; }
  .difference { grid-template-columns: minmax(0, 1fr); }
  .verdict small { display: inline; font-weight: 400; color: var(--dim); overflow-wrap: anywhere; white-space: normal; }
  .inside { padding: .1rem .8rem .9rem; }
}
@media print { details.case { break-inside: avoid; } body { background: none; } }
`
