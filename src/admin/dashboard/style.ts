/** The style of all pages: it fits a phone, and follows the light or dark mode of the system. */
export const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d0d5db, #3b424c); --soft: light-dark(#f3f5f7, #1d2126);
  --text: light-dark(#16191d, #e8eaed); --dim: light-dark(#4a535f, #aab3be); --page: light-dark(#fff, #121417);
  --link: light-dark(#0b57a4, #8ab8f0); --good: light-dark(#0b6b32, #6fd193); --bad: light-dark(#a3170f, #ff9b93);
  --warn: light-dark(#7a4b00, #f0c36d) }
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page) }
header { border-bottom: 1px solid var(--line); background: var(--soft) }
header > div, main, footer { max-width: 75rem; margin: 0 auto; padding: .6rem 1rem }
header > div { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: baseline }
header strong { font-size: 1.1rem }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem }
a { color: var(--link) }
nav a[aria-current] { color: var(--text); font-weight: 600; text-decoration: none }
h1 { font-size: 1.3rem; margin: .8rem 0; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .5rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600; color: var(--dim); white-space: nowrap }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
td { white-space: nowrap } td.wide { white-space: normal; min-width: 15rem }
p, li { overflow-wrap: anywhere } time { font-variant-numeric: tabular-nums }
code { font: .86em/1.4 ui-monospace, monospace; overflow-wrap: anywhere }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; padding: 0; list-style: none }
.cards li { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem; background: var(--soft) }
.cards b { display: block; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums }
.dim { color: var(--dim) } .good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
.verdict { border-left: .3rem solid var(--line); padding: .4rem .8rem; background: var(--soft); overflow-wrap: anywhere }
.verdict.yes { border-color: var(--good) } .verdict.no { border-color: var(--bad) }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1rem; margin: 0 }
dt { color: var(--dim) } dd { margin: 0; overflow-wrap: anywhere }
figure { margin: .8rem 0; min-width: 0 } figcaption { color: var(--dim); font-size: .9em }
#traffic { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 1.5rem }
#traffic[hidden] { display: none } .u-legend { color: var(--text) }
.u-legend th, .u-legend td { border: 0; padding: 0 .2rem; color: inherit }
progress, meter { width: 10rem; max-width: 100%; vertical-align: middle }
form.filter { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: .8rem 0 }
label { display: grid; gap: .1rem; color: var(--dim); font-size: .9em }
input, select, button { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--dim);
  border-radius: .3rem; padding: .3rem .6rem; max-width: 100% }
button { cursor: pointer; background: var(--soft) }
button.danger { border-color: var(--bad); color: var(--bad) }
.actions { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0 }
dialog { color: inherit; background: var(--page); border: 1px solid var(--dim); border-radius: .5rem; max-width: 34rem }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
[hidden] { display: none }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: .4rem } }
`
