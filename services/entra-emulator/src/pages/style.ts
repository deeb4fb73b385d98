/** The look of the pages: light and dark, from 320 px up, no asset from outside. */
export const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --ground: #f0f2f5; --line: #8c959f; --main: #0b57d0; --on-main: #fff; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #a5b0bc; --paper: #161b22; --ground: #0d1117; --line: #6e7681; --main: #8ab4f8; --on-main: #0d1117; --bad: #ffb4ab } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 27rem; padding: 2rem; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; overflow-wrap: anywhere }
h1 { margin: 0 0 .5rem; font-size: 1.5rem }
a { color: var(--main) }
.brand { margin: 0 0 1rem; padding: .25rem .75rem; border: 1px dashed var(--line); border-radius: 1rem; width: fit-content; color: var(--soft); font-size: .85rem }
.fine { color: var(--soft); font-size: .85rem }
.problem { color: var(--bad) }
form { margin: 1rem 0 0 }
label { display: block; margin-bottom: .4rem; font-size: .85rem; color: var(--soft) }
input:not([type=hidden]) { width: 100%; padding: .6rem; margin-bottom: .5rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: .25rem }
button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .25rem; padding: .5rem 1.25rem; cursor: pointer }
button:hover { border-color: var(--main) }
button.main { background: var(--main); color: var(--on-main); border-color: var(--main) }
button.account { display: grid; width: 100%; margin-bottom: .5rem; text-align: left }
button.account span { color: var(--soft); font-size: .85rem }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px }
dt { float: left; clear: left; margin-right: .5rem } dt::after { content: ':' } dd { margin: 0 }
`;
