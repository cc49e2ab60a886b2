"""The style sheet of the report: light and dark, narrow and wide, on paper too."""

STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #566174; --line: #dce1e8;
  --drop: #b8400a; --look: #8a5a00; --label: #8a3f74; --unread: #566174; --all: #0069a8;
  --lost: #e8a27f; --kept: #0069a8; --frame: #eef1f5; --code: #eef1f5; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14181e; --card: #1d232b; --ink: #e8ecf2; --soft: #a3adbb; --line: #333c48;
  --drop: #ff9d6e; --look: #f0c052; --label: #e0a3cd; --unread: #a3adbb; --all: #6cbcf0;
  --lost: #a35631; --kept: #4aa3dc; --frame: #10141a; --code: #10141a; } }
* { box-sizing: border-box; }
body { margin: 0; overflow-wrap: anywhere; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem; }
footer { max-width: 70rem; margin: 0 auto; padding: 0 1rem 2rem; color: var(--soft); font-size: .85rem; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.35rem; }
h3 { margin: 0; font-size: 1.1rem; }
p { margin: .4rem 0; }
.zh { color: var(--soft); font-weight: 400; font-size: .85em; white-space: nowrap; }
.over { margin: 0; color: var(--soft); }
header { margin-bottom: 1.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.1rem 1.25rem; margin: 1.1rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .8rem;
  list-style: none; margin: 1rem 0 0; padding: 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--tone);
  border-radius: .6rem; padding: .7rem .9rem; }
.tile b { display: block; color: var(--tone); font-size: 1.9rem; line-height: 1.15;
  font-variant-numeric: tabular-nums; }
.tile.all { --tone: var(--all); } .drop { --tone: var(--drop); } .look { --tone: var(--look); }
.label { --tone: var(--label); } .tile.unread { --tone: var(--unread); }
.part { border-left: 4px solid var(--tone); }
.part > h2 { color: var(--tone); }
article { border-top: 1px solid var(--line); margin-top: 1rem; padding-top: .9rem; }
.count { color: var(--tone); font-weight: 600; font-size: .95rem; white-space: nowrap; margin-left: .4rem; }
.what { color: var(--soft); max-width: 46rem; } .what em { font-style: normal; color: var(--ink); }
.hint, .more, .none, .rest { color: var(--soft); font-size: .92rem; }
.notes { background: none; border-style: dashed; } .notes ul { margin: 0; padding-left: 1.2rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr)); gap: .8rem;
  margin-top: .7rem; }
.groups { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: .7rem; }
.group { display: flex; flex-wrap: wrap; align-items: flex-start; gap: .6rem; padding: .6rem;
  border: 1px solid var(--line); border-radius: .5rem; max-width: 100%; }
.group figure { width: 6.2rem; } .rest { align-self: center; padding: 0 .4rem; }
figure { margin: 0; min-width: 0; }
img { display: block; width: 96px; max-width: 100%; height: auto; aspect-ratio: 1;
  object-fit: contain; background: var(--frame);
  border: 1px solid var(--line); border-radius: .3rem; }
.coarse { image-rendering: pixelated; }
.goes img { border: 2px solid var(--tone); } .stays img { border: 2px solid var(--kept); }
.goes .said { color: var(--tone); } .stays .said { color: var(--kept); }
figcaption { margin-top: .25rem; font-size: .8rem; line-height: 1.35; }
.said { display: block; } .said s { color: var(--soft); }
.name { display: block; color: var(--soft); overflow-wrap: anywhere; }
.texts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem;
  margin-top: .7rem; }
.group:has(blockquote) figure { width: 17rem; max-width: 100%; }
blockquote { margin: 0; padding: .5rem .7rem; background: var(--frame); border-left: 3px solid var(--line);
  border-radius: .3rem; font-size: .9rem; overflow-wrap: anywhere; }
.goes blockquote { border-color: var(--tone); } .stays blockquote { border-color: var(--kept); }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--soft); font-size: .85rem; padding-bottom: .3rem; }
th { text-align: left; font-weight: 500; } th, td { padding: .18rem .6rem .18rem 0; vertical-align: top; }
.balance { table-layout: fixed; } .balance th { width: 22%; }
.balance .number { width: 6.2rem; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; } .number small { color: var(--drop); }
.bar { font-size: 0; vertical-align: middle; }
.bar span { display: inline-block; height: .9rem; }
.kept { background: var(--kept); }
.lost { background: repeating-linear-gradient(45deg, var(--lost) 0 4px, transparent 4px 7px), var(--card);
  outline: 1px solid var(--lost); outline-offset: -1px; }
.key { display: inline-block; width: .9rem; height: .7rem; margin: 0 .2rem 0 .6rem; }
.files { font-size: .88rem; } .files td { border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.files td:first-child { width: 45%; }
details { margin-top: .6rem; } summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: .88em; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .9rem;
  overflow-x: auto; }
a { color: var(--all); }
:focus-visible { outline: 3px solid var(--all); outline-offset: 2px; }
@media (max-width: 34rem) { h1 { font-size: 1.5rem; } section { padding: .9rem; }
  .grid { grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr)); }
  .group figure { width: 5rem; } .group { gap: .4rem; } }
@media print { section, .group, figure { break-inside: avoid; } body { background: none; } }
"""
