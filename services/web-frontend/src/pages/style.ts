/**
 * The one style sheet, inline: no page loads anything. The variables in front are the theme; its colours keep 4.5:1 in
 * both schemes.
 */
export const style = `
:root { color-scheme: light dark; --ink: #1c2330; --soft: #566072; --paper: #f5f6f9; --card: #fff; --line: #d9dde6;
  --brand: #2450b2; --on-brand: #fff; --bad: #a3262a; --good: #1d6b40;
  --font: system-ui, sans-serif; --mono: ui-monospace, monospace; --radius: .75rem; --control-radius: .5rem; --width: 46rem; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf2; --soft: #a6afc0; --paper: #12151c; --card: #1b202a;
  --line: #343c4b; --brand: #8fb0ff; --on-brand: #0f1830; --bad: #ff9c97; --good: #85d7a9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 var(--font); }
header, main, footer { max-width: var(--width); margin: 0 auto; padding: 1rem 1.25rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: center; border-bottom: 1px solid var(--line); }
header strong { font-size: 1.1rem; margin-right: auto; overflow-wrap: anywhere; }
.logo { height: 2rem; max-width: 40%; object-fit: contain; }
h1 { font-size: clamp(1.6rem, 6vw, 2.2rem); line-height: 1.2; margin: 1.25rem 0 .75rem; overflow-wrap: anywhere; }
h2, h3 { font-size: 1.1rem; margin: 0 0 .25rem; }
a { color: var(--brand); text-underline-offset: .2em; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .5rem 1rem; }
:focus-visible { outline: 3px solid var(--brand); outline-offset: 3px; border-radius: .3rem; }
.lead, .soft { color: var(--soft); }
.lead { font-size: 1.1rem; }
.card, dl, pre, [role=status] { background: var(--card); border: 1px solid var(--line); border-radius: var(--radius);
  padding: 1rem 1.25rem; margin: 1rem 0; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); padding: 0;
  margin: 1rem 0; list-style: none; }
.cards .card { margin: 0; }
.card p { margin: .25rem 0 0; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .35rem 1.25rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
pre { overflow-x: auto; font: .9rem/1.5 var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; }
.button { display: inline-block; font: inherit; font-weight: 600; border: 1px solid var(--brand); border-radius: var(--control-radius);
  padding: .6rem 1.1rem; background: var(--brand); color: var(--on-brand); text-decoration: none; cursor: pointer; }
.quiet { background: transparent; color: var(--brand); border-color: var(--line); font-weight: 400; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; margin: 1.25rem 0; }
.end { margin-top: 2.5rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
footer { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; color: var(--soft); font-size: .875rem; border-top: 1px solid var(--line); margin-top: 2rem; overflow-wrap: anywhere; }
#reference { font-size: .8rem; }
`;
