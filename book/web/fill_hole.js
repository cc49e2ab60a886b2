// Fill a painted hole in a drawing several times, and see where the fillings differ, as in notebook 23.

import { button, captioned, choice, group, normals, note, paint, say, slider } from "./core.js";
import { drawingModel, walk } from "./sampler.js";

const COUNT = 6; // fillings of one hole
const STEPS = 20;
const FIRST = 4; // of the drawings that are offered: a cat
const ENLARGED = 12; // pixels of the screen for a pixel of the drawing, in the one that is painted on
const BRUSHES = [
  ["hole", "make a hole · 挖洞"],
  ["mend", "close the hole · 擦掉洞"],
  ["draw", "draw a line · 画线"],
  ["rub", "rub out · 擦掉线"],
];
const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// `count` fillings of one picture from -1 to 1, by ddpm with the known pixels put in at each step; `known` is 1
// where a pixel is known and 0 in the hole. As walk, it yields after each step.
export function fillings(model, whole, known, { label, seed, count = COUNT, steps = STEPS }) {
  const all = whole.length * count;
  const random = normals(seed, all * (steps + 1)); // the start, then one share for each step
  const share = (step) => random.slice(step * all, (step + 1) * all);
  const velocity = (mixed, time) => model.velocity(mixed, time, label);
  const correct = (clean) => {
    for (let at = 0; at < all; at += 1) {
      const inside = at % whole.length;
      if (known[inside]) clean[at] = whole[inside];
    }
  };
  return walk({ velocity, noise: share(0), steps, sampler: "ddpm", fresh: share, correct });
}

// Standard deviation over `count` pictures, pixel by pixel, in units of the range from black to white.
export function spread(pictures, count) {
  const size = pictures.length / count;
  return Float32Array.from({ length: size }, (_, at) => {
    const values = Array.from({ length: count }, (_, item) => shade(pictures[item * size + at]));
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count);
  });
}

// From -1 … 1 to 0 … 1.
const shade = (value) => Math.min(1, Math.max(0, (value + 1) / 2));

export async function start(root) {
  const model = await drawingModel();
  const { side } = model;
  const size = side * side;
  const whole = new Float32Array(size); // the drawing, from -1 to 1
  const known = new Uint8Array(size); // 1 known, 0 in the hole
  const at = { row: 14, column: 14 }; // the brush
  const settings = { label: 0, brush: "hole", radius: 1, seed: 1 };
  let truth = false; // whether the drawing is one of the package's, so that there is a truth to compare with
  let running = 0; // which filling is the newest; an older one ends by itself

  const sheet = captioned(root, "Orange is the hole · 橙色为洞");
  sheet.classList.add("lab-sheet");
  sheet.setAttribute("role", "application");
  sheet.tabIndex = 0;
  const controls = group(root);
  const name = (label) => `${model.classes[label]} · ${model.chinese[label]}`;
  const offered = choice(controls, {
    name: "drawing",
    chinese: "图画",
    options: [
      ...model.drawings.map((each, number) => [number, `${name(each.label)} ${(number % 2) + 1}`]),
      [-1, "my own · 自己画"],
    ],
    value: FIRST,
    change: (number) => {
      if (Number(number) < 0) return empty();
      take(Number(number));
      work();
    },
  });
  const told = choice(controls, {
    name: "the model is told it is",
    chinese: "告诉模型画的是",
    options: [...model.classes.map((_, label) => [label, name(label)]), [-1, "nothing · 不告诉"]],
    value: 0,
    change: (label) => fillWith({ label: Number(label) }),
  });
  const brushes = { name: "the brush will", chinese: "画笔", options: BRUSHES, value: settings.brush };
  const brush = choice(controls, { ...brushes, change: (brush) => Object.assign(settings, { brush }) });
  const widths = { name: "its width", chinese: "粗细", low: 0, high: 3, step: 1, value: 1 };
  slider(controls, { ...widths, change: (radius) => Object.assign(settings, { radius }) });
  const seeds = { name: "seed", chinese: "随机种子", low: 0, high: 99, step: 1, value: 1 };
  slider(controls, { ...seeds, change: (seed) => fillWith({ seed }) });
  const buttons = group(root, "lab-wide");
  button(buttons, { name: "Fill the hole", chinese: "补全", click: () => work() });
  button(buttons, { name: "Hole in the middle", chinese: "中间挖洞", click: middle });
  button(buttons, { name: "No hole", chinese: "清除洞", click: () => clear() });
  button(buttons, { name: "Empty sheet", chinese: "空白画纸", click: empty });
  const filled = captioned(root, `${COUNT} fillings · ${COUNT} 种补法`, "lab-shelf-wide");
  const map = captioned(root, "Where they differ, it was invented (black: all agree, white: a coin toss) · 差异之处即为编造");
  note(
    root,
    `Drawings: ${model.licence}, none of them seen in training. What you draw stays in this page. · ` +
      "你画的内容不会离开本页。",
  );

  sheet.addEventListener("pointerdown", (event) => {
    sheet.setPointerCapture(event.pointerId);
    follow(event);
  });
  sheet.addEventListener("pointermove", (event) => event.buttons && follow(event));
  sheet.addEventListener("keydown", byKey);
  sheet.addEventListener("focus", showSheet);
  sheet.addEventListener("blur", showSheet);
  take(FIRST);
  work();

  function fillWith(what) {
    Object.assign(settings, what);
    work();
  }

  function take(number) {
    const { label, pixels } = model.drawings[number];
    const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
    bytes.forEach((value, place) => (whole[place] = value / 127.5 - 1));
    truth = true;
    told.value = settings.label = label;
    brush.value = settings.brush = "hole";
    middle();
  }

  function empty() {
    whole.fill(-1);
    truth = false;
    offered.value = -1;
    brush.value = settings.brush = "draw";
    clear("An empty sheet: draw, then make a hole. · 空白画纸：先画，再挖洞。");
  }

  function clear(words = "No hole now. · 已清除洞。") {
    known.fill(1);
    forget();
    say(root, words);
  }

  function middle() {
    for (let place = 0; place < size; place += 1) {
      const [row, column] = [Math.floor(place / side), place % side];
      known[place] = Math.max(Math.abs(row - 13.5), Math.abs(column - 13.5)) < 5 ? 0 : 1; // 10 by 10
    }
    forget();
    say(root, `A hole of ${holes()} pixels. · 洞有 ${holes()} 个像素。`);
  }

  // What was filled does not belong to the sheet any more.
  function forget() {
    running += 1;
    showSheet();
    row(filled, new Float32Array(COUNT * size).fill(-1));
    showMap(new Float32Array(size));
    filled.setAttribute("aria-label", "Empty: nothing filled yet");
    map.setAttribute("aria-label", "Empty: nothing filled yet");
  }

  function holes() {
    return known.reduce((sum, each) => sum + (each ? 0 : 1), 0);
  }

  // -- painting ---------------------------------------------------------------------------------------

  // From where the brush was, so that a fast finger leaves no gaps.
  function follow(event) {
    const box = sheet.getBoundingClientRect();
    const [row, column] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map(
      (share) => Math.min(side - 1, Math.max(0, Math.floor(share * side))),
    );
    const from = event.type === "pointerdown" ? { row, column } : { ...at };
    const steps = Math.max(1, Math.abs(row - from.row), Math.abs(column - from.column));
    for (let step = 1; step <= steps; step += 1) {
      at.row = Math.round(from.row + ((row - from.row) * step) / steps);
      at.column = Math.round(from.column + ((column - from.column) * step) / steps);
      dab();
    }
    forget();
  }

  function byKey(event) {
    const way = KEYS[event.key];
    if (!way && event.key !== " ") return;
    event.preventDefault(); // the page does not scroll
    if (way) {
      at.row = Math.min(side - 1, Math.max(0, at.row + way[0]));
      at.column = Math.min(side - 1, Math.max(0, at.column + way[1]));
    }
    if (!way || event.shiftKey) {
      dab();
      forget();
    } else {
      showSheet();
    }
    say(root, `${where()}; a hole of ${holes()} pixels. · 第 ${at.row + 1} 行，第 ${at.column + 1} 列。`);
  }

  // The brush at one place. A line has soft edges, as the drawings of the data have.
  function dab() {
    const { radius, brush } = settings;
    for (let place = 0; place < size; place += 1) {
      const [row, column] = [Math.floor(place / side), place % side];
      const far = Math.hypot(row - at.row, column - at.column);
      const light = Math.min(1, Math.max(radius, 0.6) + 0.35 - far);
      if (brush === "draw") whole[place] = Math.max(whole[place], 2 * light - 1);
      else if (far > radius + 0.5) continue;
      else if (brush === "rub") whole[place] = -1;
      else known[place] = brush === "mend" ? 1 : 0;
    }
    truth &&= brush === "hole" || brush === "mend";
  }

  // -- pictures -----------------------------------------------------------------------------------------

  function showSheet() {
    sheet.width = sheet.height = side * ENLARGED;
    const pen = sheet.getContext("2d");
    for (let place = 0; place < size; place += 1) {
      const light = Math.round(255 * shade(whole[place]));
      pen.fillStyle = known[place] ? `rgb(${light}, ${light}, ${light})` : "#b5520b";
      pen.fillRect((place % side) * ENLARGED, Math.floor(place / side) * ENLARGED, ENLARGED, ENLARGED);
    }
    if (document.activeElement === sheet) {
      const width = (2 * settings.radius + 1) * ENLARGED;
      pen.lineWidth = 3;
      pen.strokeStyle = "#56b4e9";
      const [x, y] = [at.column, at.row].map((place) => (place - settings.radius) * ENLARGED);
      pen.strokeRect(x, y, width, width);
    }
    sheet.setAttribute(
      "aria-label",
      `Sheet of ${side} by ${side} pixels with a hole of ${holes()}. ${where()}. Arrow keys move it, space paints, ` +
        "and so do arrow keys with Shift. · 方向键移动，空格键或 Shift 加方向键涂画。",
    );
  }

  function where() {
    const inside = known[at.row * side + at.column] ? "known" : "in the hole";
    return `Brush at row ${at.row + 1}, column ${at.column + 1}, ${inside}`;
  }

  function row(canvas, pictures) {
    const width = 3 * (side + 1) - 1;
    const height = 2 * (side + 1) - 1;
    const pixels = new Float32Array(height * width).fill(0.45);
    pictures.forEach((value, place) => {
      const [item, inside] = [Math.floor(place / size), place % size];
      const down = Math.floor(item / 3) * (side + 1) + Math.floor(inside / side);
      pixels[down * width + (item % 3) * (side + 1) + (inside % side)] = shade(value);
    });
    paint(canvas, pixels, height, width, 1);
    canvas.classList.add("lab-pixelated");
  }

  // Black where all agree, then orange, white at .5 or more; known pixels show the drawing, dimmed and blue.
  function showMap(values) {
    const pixels = new Float32Array(3 * size);
    values.forEach((value, place) => {
      const light = shade(whole[place]);
      const colour = known[place]
        ? [0.15 * light, 0.3 * light, 0.45 * light]
        : [4 * value, 4 * value - 0.8, 4 * value - 1.2];
      pixels.set(colour, 3 * place);
    });
    paint(map, pixels, side, side, 3);
  }

  // -- filling ------------------------------------------------------------------------------------------

  async function work() {
    if (!holes()) {
      say(root, "There is no hole yet: paint one, or take the one in the middle. · 还没有洞：请先挖一个洞。");
      return;
    }
    running += 1;
    const mine = running;
    const began = performance.now();
    say(root, "Filling… · 正在补全……");
    for await (const { step, clean, mixed } of fillings(model, whole, known, settings)) {
      if (mine !== running) return;
      row(filled, step === STEPS ? mixed : clean);
      if (step === STEPS) finish(mixed, performance.now() - began);
      await new Promise(requestAnimationFrame);
    }
  }

  function finish(pictures, milliseconds) {
    const values = spread(pictures, COUNT);
    showMap(values);
    const mean = values.reduce((sum, value, place) => sum + (known[place] ? 0 : value), 0) / holes();
    const words = `Mean spread in the hole ${mean.toFixed(2)} (0: all agree, 0.5: a coin toss)`;
    filled.setAttribute("aria-label", `${COUNT} fillings of the hole. ${words}`);
    map.setAttribute("aria-label", `Map of the spread over ${COUNT} fillings, bright where they differ. ${words}`);
    say(
      root,
      `${words}${truth ? `; mean error against the true drawing ${error(pictures).toFixed(2)}` : ""}. ` +
        `${STEPS} steps in ${(milliseconds / 1000).toFixed(1)} s. · 洞内平均差异 ${mean.toFixed(2)}。`,
    );
  }

  // Mean absolute difference from the drawing, over the hole and the fillings.
  function error(pictures) {
    let sum = 0;
    pictures.forEach((value, place) => {
      const inside = place % size;
      if (!known[inside]) sum += Math.abs(shade(value) - shade(whole[inside]));
    });
    return sum / (holes() * COUNT);
  }
}
