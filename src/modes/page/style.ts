/** The page's style, for light and dark screens. */
export const style = `
:root { color-scheme: light dark; --ground: light-dark(#fff, #15181e); --line: light-dark(#d5d9e0, #3a3f4a); --soft: light-dark(#5b6472, #9aa4b2); }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; background: var(--ground); color: light-dark(#1c2128, #e4e8ee); }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem 1.2rem; padding: 1rem 1.5rem; color: #fff; }
header.well { background: #1a7f4b; }
header.trouble { background: #b3261e; }
header p { margin: 0; }
h1 { margin: 0; font-size: 1.4rem; }
h2 { margin: 1.6rem 0 .5rem; font-size: 1.05rem; }
main { padding: .5rem 1.5rem 2rem; max-width: 80rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); position: sticky; top: 0; background: var(--ground); }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; unicode-bidi: isolate; }
.number { text-align: right; padding-right: 1.4rem; font-variant-numeric: tabular-nums; }
.long { max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
.id { max-width: 9rem; font-family: ui-monospace, monospace; font-size: .9em; }
.conditions li { margin: .4rem 0; }
meter { width: 12rem; vertical-align: middle; margin-right: .6rem; }
input { font: inherit; padding: .2rem .5rem; width: 20rem; max-width: 60vw; }
section { overflow-x: auto; }
.leases { overflow: auto; max-height: 85vh; }
@media print { .leases { max-height: none; } .long { max-width: none; white-space: normal; overflow-wrap: anywhere; } }
`;
