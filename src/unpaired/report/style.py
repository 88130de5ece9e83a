"""Style sheet of the pages: light and dark mode, narrow screens and print."""

STYLE = """
:root { color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #1d1f23; --soft: #5d626b; --rule: #dedbd5; --code: #f1eee9;
  --main: #0067a5; --band: #0067a526; --nothing: #b84a00; --real: #00795a; }
@media (prefers-color-scheme: dark) { :root {
  --page: #16181c; --card: #1e2126; --ink: #e8e6e3; --soft: #a3a8b0; --rule: #363a41; --code: #282c32;
  --main: #6cb6ff; --band: #6cb6ff2e; --nothing: #ffab6b; --real: #4fd0a5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere; }
main { max-width: 62rem; margin: 0 auto; padding: 2.2rem 1.2rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .8rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .5rem 0; max-width: 46rem; }
.soft, figcaption, .captions { color: var(--soft); }
.verdict { font-size: 1.15rem; border-left: 4px solid var(--main); padding: .2rem 0 .2rem 1rem; margin: 1.2rem 0; }
.verdict p { margin: .35rem 0; }
.notices { margin: 1rem 0; padding: .7rem 1rem .7rem 2.2rem; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; }
.grids { display: grid; gap: 1.6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
figure { margin: 0; }
figcaption { font-size: .9rem; margin: .3rem 0; }
figcaption strong { color: var(--ink); }
.captions { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; text-align: center; font-size: .85rem;
  margin-bottom: .25rem; }
.grids figure { max-width: 38rem; }
.grids img { width: 100%; height: auto; display: block; border-radius: 6px; border: 1px solid var(--rule);
  background: var(--code); }
.line { display: flex; gap: .8rem; overflow-x: auto; padding-bottom: .6rem; }
.line figure { flex: 1 0 6.6rem; max-width: 9.5rem; }
.line img { width: 100%; display: block; border-radius: 4px; border: 1px solid var(--rule); }
.line figcaption { text-align: center; font-size: .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .93rem; }
th, td { text-align: right; padding: .4rem .7rem; border-bottom: 1px solid var(--rule); vertical-align: top;
  white-space: nowrap; }
th { font-weight: 600; }
thead th { color: var(--soft); font-size: .85rem; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th[scope=row] { font-weight: 400; white-space: normal; min-width: 9rem; } .hint { font-size: .82rem; }
th[scope=rowgroup] { padding-top: 1.1rem; } th .soft { font-weight: 400; }
.meanings { font-size: .88rem; color: var(--soft); padding-left: 1.1rem; max-width: 46rem; }
.settings td, .settings th { text-align: left; white-space: normal; overflow-wrap: normal; }
.settings td:nth-child(2) { font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }
.good { color: var(--real); font-weight: 600; }
.bad { color: var(--nothing); font-weight: 600; }
.charts { display: grid; gap: 1.2rem 1.6rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
.kid { grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.chart { width: 100%; max-width: 29rem; height: auto; display: block; }
.chart text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; } .axis { stroke: var(--soft); stroke-width: 1; fill: none; }
.main { stroke: var(--main); stroke-width: 2.2; fill: none; stroke-linejoin: round; }
.band { fill: var(--band); stroke: none; } .dot { fill: var(--main); }
.nothing { stroke: var(--nothing); stroke-width: 2; stroke-dasharray: 8 5; fill: none; }
.real { stroke: var(--real); stroke-width: 2; stroke-dasharray: 2 4; fill: none; }
.best { fill: none; stroke: var(--ink); stroke-width: 1.8; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: .9rem; color: var(--soft); }
.swatch { width: 28px; height: 12px; margin-right: .4rem; vertical-align: middle; }
.voice audio { width: 100%; margin-top: .3rem; }
.spectrogram { width: 100%; height: 8rem; display: block; border-radius: 6px; border: 1px solid var(--rule); }
.f0 { max-width: none; }
pre { background: var(--code); border-radius: 8px; padding: .8rem 1rem; overflow-x: auto; font-size: .88rem;
  margin: .3rem 0; }
details { border: 1px solid var(--rule); border-radius: 8px; padding: .6rem 1rem; margin: .8rem 0;
  background: var(--card); }
summary { cursor: pointer; font-weight: 600; }
footer { margin-top: 3rem; font-size: .85rem; color: var(--soft); }
@media (max-width: 36rem) { main { padding-top: 1.2rem; } h1 { font-size: 1.6rem; } .verdict { font-size: 1.05rem; }
  th, td { padding: .4rem .35rem; } .measures { font-size: .85rem; } tbody th[scope=row] { min-width: 6rem; } }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #bbb; --code: #f4f4f4;
    --main: #0067a5; --band: #0067a526; --nothing: #b84a00; --real: #00795a; color-scheme: light; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; } body { font-size: 11pt; }
  figure, tr, pre, .verdict { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .grids { grid-template-columns: 1fr 1fr; } .line { flex-wrap: wrap; } .line figure { flex-basis: 4.6rem; }
  pre { white-space: pre-wrap; }
}
"""
