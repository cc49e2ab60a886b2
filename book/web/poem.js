// A Tang quatrain under constraints, as notebook 16 writes it (sections 3 and 5): at each place the network's
// probabilities, without the characters that the form forbids, renormalised.

import {
  button,
  choice,
  group,
  json,
  latest,
  move,
  run,
  say,
  session,
  slider,
  tensor,
  uniforms,
} from "./core.js";

const MARKS = "，。！？；";
const LENGTH = 64; // tokens that the network sees
const LEAST_RHYMES = 4; // of a group, so that three rhymes never run out of characters
const KINDS = [
  ["平", false],
  ["平", true],
  ["仄", false],
  ["仄", true],
]; // tone of place 2 in line 1; does it rhyme
const opposite = (tone) => (tone === "平" ? "仄" : "平");

// -- the form ---------------------------------------------------------------------------------------------

// Four lines of 平, 仄, and 中 for places that are free.
export function pattern(size, kind) {
  const [start, rhymes] = KINDS[kind];
  return [start, opposite(start), opposite(start), start].map((second, line) => {
    const places = new Array(size).fill("中");
    for (let place = 1; place < size - 1; place += 2)
      places[place] = place % 4 === 1 ? second : opposite(second);
    places[size - 1] = line % 2 || (line === 0 && rhymes) ? "平" : "仄";
    return places.join("");
  });
}

// The table of book/page_models/photographs_and_poems.py as sets.
export async function readTable() {
  const table = await json("poem"),
    characters = [...table.characters];
  const number = new Map(characters.map((sign, at) => [sign, at]));
  const tones = new Map(characters.map((sign, at) => [sign, ["平仄", "平", "仄", "平仄"][table.tones[at]]]));
  const groups = new Map(characters.map((sign) => [sign, new Set()]));
  table.members.forEach((members, at) =>
    [...members].forEach((sign) => groups.get(sign).add(table.groups[at])),
  );
  const listed = characters.map((sign, at) => table.tones[at] !== "0"); // the rhyme table has it
  const written = (sign) => !MARKS.includes(sign) && sign !== "\n" && sign !== "□";
  const usable = table.groups.filter(
    (_, at) => [...table.members[at]].filter(written).length >= LEAST_RHYMES,
  );
  return { ...table, characters, number, tones, groups, listed, written, usable: new Set(usable) };
}

// Which characters may stand at a place: a mark at the end of a line, else a character of the pattern's tone
// and, at a rhyme, of one of the open groups and not used yet.
function permitted(table, line, column, size, tone, open, used) {
  return (sign) => {
    if (column === size) return (line % 2 ? "。！？；" : "，").includes(sign);
    if (!table.written(sign) || !(tone === "中" || table.tones.get(sign).includes(tone))) return false;
    return !open || (!used.includes(sign) && [...table.groups.get(sign)].some((each) => open.has(each)));
  };
}

// -- the writer -------------------------------------------------------------------------------------------

// The logits (3693) of the character that follows the tokens.
export async function logitsAfter(model, tokens) {
  const padded = new Int32Array(LENGTH); // what is added stands at the end: no earlier token sees it
  padded.set(tokens);
  const answer = await run(model, { [model.inputNames[0]]: tensor(padded, [1, LENGTH]) });
  const { data, dims } = answer[model.outputNames[0]];
  return data.subarray((tokens.length - 1) * dims[2], tokens.length * dims[2]);
}

// The number drawn from softmax(logits / temperature) among the permitted; at 0 the likeliest. As
// transformer.choose: the first whose running sum exceeds the uniform number.
function choose(logits, allowed, temperature, uniform) {
  let best = -1;
  for (const at of allowed) if (best < 0 || logits[at] > logits[best]) best = at;
  if (temperature === 0) return best;
  const chances = allowed.map((at) => Math.exp((logits[at] - logits[best]) / temperature));
  const limit = uniform * chances.reduce((sum, each) => sum + each, 0);
  let sum = 0;
  return allowed[
    Math.max(
      0,
      chances.findIndex((each) => (sum += each) > limit),
    )
  ];
}

// A quatrain; `uniform` gives the random numbers, one for each place that is drawn.
// Gives the text, its pattern, and the mean of -log2 Z: what the form costs, in bits a character.
export async function write(model, table, { size, kind, temperature, uniform, first = "" }) {
  const tokens = [table.number.get("\n")],
    lines = pattern(size, kind);
  let text = "",
    used = "",
    open = table.usable,
    price = 0;
  for (let place = 0; place < 4 * (size + 1); place++) {
    const line = Math.floor(place / (size + 1)),
      column = place % (size + 1);
    const rhyme = column === size - 1 && lines[line][column] === "平"; // level ends are those that rhyme
    const logits = await logitsAfter(model, tokens);
    const fits = permitted(table, line, column, size, lines[line][column], rhyme ? open : null, used);
    const allowed = [];
    table.characters.forEach((sign, at) => fits(sign) && allowed.push(at));
    const given = place === 0 && first !== "";
    const chosen = given ? table.number.get(first) : choose(logits, allowed, temperature, uniform());
    if (!given) price += surprise(logits, allowed);
    const sign = table.characters[chosen];
    tokens.push(chosen);
    text += sign;
    if (rhyme) {
      open = new Set([...open].filter((each) => table.groups.get(sign).has(each)));
      used += sign;
    }
  }
  return { text, pattern: lines, price: price / (4 * (size + 1)), group: [...open][0] };
}

// -log2 of the probability of all that is permitted.
function surprise(logits, allowed) {
  const highest = logits.reduce((high, each) => Math.max(high, each), -Infinity);
  const weight = (each) => Math.exp(each - highest);
  const all = logits.reduce((sum, each) => sum + weight(each), 0);
  return Math.log2(all / allowed.reduce((sum, at) => sum + weight(logits[at]), 0));
}

// -- the check, from the readings alone -------------------------------------------------------------------

// Each rule in both languages, and whether the poem keeps it; it knows nothing of how the poem was written.
export function checked(text, table) {
  const lines = text
    .split(new RegExp(`[${MARKS}]`))
    .filter(Boolean)
    .map((line) => [...line]);
  const size = lines[0].length,
    tone = (line, place) => table.tones.get(lines[line][place]);
  const differ = (a, b) => (a + b).includes("平") && (a + b).includes("仄");
  const agree = (a, b) => [...a].some((each) => b.includes(each));
  const evens = (line) =>
    lines[line].map((_, place) => place).filter((place) => place % 2 && place < size - 1);
  const turns = (line) =>
    ["平仄平", "仄平仄"].some((turn) =>
      evens(line).every((place, at) => tone(line, place).includes(turn[at])),
    );
  const share = (...ends) =>
    new Set(ends).size === ends.length &&
    [...table.groups.get(ends[0])].some((each) => ends.every((end) => table.groups.get(end).has(each)));
  const ends = lines.map((line) => line[size - 1]),
    last = [0, 1, 2, 3].map((line) => tone(line, size - 1));
  const firstEnd = last[0].includes("仄") || share(ends[0], ends[1]);
  return [
    [
      "four lines of equal length",
      "四句等长",
      lines.length === 4 && lines.every((line) => line.length === size),
    ],
    ["rhyme: lines 2 and 4", "二、四句押韵", share(ends[1], ends[3])],
    ["tones alternate at the even places", "句中偶数位平仄相间", [0, 1, 2, 3].every(turns)],
    [
      "opposition (对) within the couplets",
      "联内相对",
      differ(tone(0, 1), tone(1, 1)) && differ(tone(2, 1), tone(3, 1)),
    ],
    ["adhesion (粘) between them", "联间相粘", agree(tone(1, 1), tone(2, 1))],
    [
      "line ends: level where they rhyme, line 3 oblique",
      "句脚平仄",
      firstEnd && last[1].includes("平") && last[2].includes("仄") && last[3].includes("平"),
    ],
  ];
}

// -- the demonstration ------------------------------------------------------------------------------------

function made(parent, name, text = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

const COLOURS = { 平: "#56b4e9", 仄: "#e69f00", 中: "transparent" };
const LEGEND =
  "Below each character its tone: 平 level, 仄 oblique, 平仄 either, ? not in the table. Blue: the pattern " +
  "asks for a level tone; orange: for an oblique one; frame: rhyme. · 每字下方为其声调；蓝：应平；橙：应仄；框：押韵。";

// Each character over its tone, on the colour that the pattern asks for; rhymes in a thick frame.
function show(parent, poem, table) {
  parent.replaceChildren();
  const lines = poem.text.match(new RegExp(`[^${MARKS}]+[${MARKS}]`, "g")),
    size = poem.pattern[0].length;
  const grid = made(parent, "table", "", {
    class: "lab-poem",
    lang: "zh-Hant",
    style: `border-collapse: separate;
    border-spacing: 2px; table-layout: fixed; margin: 0; width: min(100%, ${3 * size + 1.5}rem)`,
  });
  lines.forEach((line, row) => {
    const cells = made(grid, "tr");
    [...line].slice(0, -1).forEach((sign, column) => {
      const tone = poem.pattern[row][column],
        known = table.listed[table.number.get(sign)];
      const frame =
        column === size - 1 && tone === "平"
          ? "3px solid var(--pst-color-text-base)"
          : "1px solid var(--pst-color-border)";
      const cell = made(cells, "td", "", {
        style: `padding: 0.1rem 0; text-align: center; border: ${frame};
        background: ${COLOURS[tone]}; color: ${tone === "中" ? "inherit" : "#000"}`,
      });
      made(cell, "span", sign, { style: "display: block; font-size: 1.5rem; line-height: 1.3" });
      made(cell, "small", known ? table.tones.get(sign) : "?", {
        style: "display: block; font-size: 0.75rem; line-height: 1.3",
      });
    });
    made(cells, "td", line.at(-1), { style: "border: 0; padding: 0; font-size: 1.5rem; width: 1.5rem" });
  });
  made(parent, "p", LEGEND, { style: "font-size: 0.85em; margin: 0.4rem 0 0" });
  const list = made(parent, "ul", "", {
    style: "list-style: none; margin: 0.6rem 0 0; padding: 0; font-size: 0.9em",
  });
  for (const [name, chinese, kept] of checked(poem.text, table)) {
    const words = name.startsWith("rhyme") ? `${name} (group ${poem.group})` : name;
    made(list, "li", `${kept ? "✓" : "✗ broken:"} ${words} · ${chinese}`, { style: "margin: 0" });
  }
}

// What is wrong with the first character that was asked for; "" where nothing is.
function wrongFirst(first, table) {
  const count = [...first].length;
  if (count > 1)
    return `Give one character to begin with, or none; these are ${count}. · 首字只能填一个字，也可以不填。`;
  if (count && !(table.number.has(first) && table.written(first)))
    return (
      `The model does not know ${first}; try 春, 山, 秋 or 人, in traditional characters. · ` +
      `模型不认识“${first}”，请用繁体字，例如春、山、秋、人。`
    );
  return "";
}

export async function start(root) {
  const [model, table] = await Promise.all([session("tang_transformer"), readTable()]);
  const page = group(root, "lab-figure"),
    controls = group(root);
  page.style.cssText = "flex: 1 1 22rem; min-width: 0";
  const wishes = { size: 5, temperature: 0.8, seed: 0, first: "" };

  const again = latest(async () => {
    const wrong = wrongFirst(wishes.first, table);
    if (wrong) return say(root, wrong);
    const uniform = uniforms(wishes.seed),
      started = performance.now();
    let sum = 0;
    const drawn = uniform() * table.pattern_shares.reduce((all, each) => all + each, 0);
    const kind = table.pattern_shares.findIndex((each) => (sum += each) > drawn);
    const poem = await write(model, table, { ...wishes, kind, uniform });
    show(page, poem, table);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(
      root,
      `${poem.text} Written in ${seconds} s; the form costs ${poem.price.toFixed(2)} bits a character. · ` +
        `用时 ${seconds} 秒；格律的代价为每字 ${poem.price.toFixed(2)} 比特。`,
    );
  });

  const wish = (name) => (value) => {
    wishes[name] = value;
    again();
  };
  choice(controls, {
    name: "form",
    chinese: "体裁",
    value: "5",
    options: [
      ["5", "five characters a line · 五言"],
      ["7", "seven characters a line · 七言"],
    ],
    change: (value) => wish("size")(Number(value)),
  });
  slider(controls, {
    name: "temperature",
    chinese: "温度",
    low: 0,
    high: 1.6,
    step: 0.1,
    value: 0.8,
    change: wish("temperature"),
  });
  const seed = slider(controls, {
    name: "seed",
    chinese: "随机种子",
    low: 0,
    high: 100,
    step: 1,
    value: 0,
    change: wish("seed"),
  });
  const label = made(controls, "label", "", { class: "lab-control" });
  made(label, "span", "first character, if you like · 首字（可不填）", { class: "lab-control-name" });
  const first = made(label, "input", "", {
    class: "lab-choice",
    type: "text",
    lang: "zh-Hant",
    autocomplete: "off",
  });
  first.addEventListener("change", () => wish("first")(first.value.trim()));
  button(controls, {
    name: "Another poem",
    chinese: "再写一首",
    click: () => move(seed, (wishes.seed + 1) % 101),
  });
  made(controls, "p", `Not checked: 孤平, 三平尾. Sources: ${table.licence}. · 未检查孤平与三平尾。`, {
    style: "font-size: 0.85em; margin: 0.6rem 0 0",
  });
  await again();
}
