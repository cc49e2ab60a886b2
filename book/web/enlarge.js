// A photograph of the reader's own made twice as large by the network of notebook 10, beside bicubic, and
// what the network added. It is computed tile by tile, as aigc_lab/models/super_resolution.py's upscale does.

import { button, choice, group, image, json, picture, run, say, session, slider, tensor } from "./core.js";
import { onScreen, opened, scaled } from "./photograph.js";

const LONGEST = 384; // pixels of a side before it is made larger; a larger photograph is made smaller first
const TILE = 96; // pixels a side
const FULL = 24; // grey levels that are shown in full colour in the map of what was added

// -- made larger ------------------------------------------------------------------------------------------

// The photograph {pixels, height, width}, RGB in [0, 1], at twice the size. Each tile is computed with `margin`
// more pixels on each side, which are cut off: no pixel can tell that it was in a tile. It is written into the
// bytes `large`, which round to even as NumPy does. After each tile `progress(share)` is awaited; where it gives
// false, the work ends.
export async function upscale(
  model,
  { pixels, height, width },
  { scale, margin },
  large,
  progress = async () => true,
) {
  for (let top = 0; top < height; top += TILE)
    for (let left = 0; left < width; left += TILE) {
      const bottom = Math.min(top + TILE, height),
        right = Math.min(left + TILE, width);
      const above = Math.max(0, top - margin),
        before = Math.max(0, left - margin);
      const rows = Math.min(height, bottom + margin) - above,
        columns = Math.min(width, right + margin) - before;
      const region = new Float32Array(rows * columns * 3);
      for (let row = 0; row < rows; row++) {
        const from = 3 * ((above + row) * width + before);
        region.set(pixels.subarray(from, from + 3 * columns), 3 * row * columns);
      }
      const answer = await run(model, { [model.inputNames[0]]: tensor(region, [1, rows, columns, 3]) });
      const made = answer[model.outputNames[0]].data;
      for (let row = top * scale; row < bottom * scale; row++)
        for (let at = 3 * left * scale; at < 3 * right * scale; at++)
          large[3 * row * width * scale + at] =
            255 * made[3 * ((row - above * scale) * columns - before) * scale + at];
      const share = (top * width + (bottom - top) * right) / (height * width);
      if (!(await progress(share))) return;
    }
}

// The same by bicubic interpolation (Keys 1981), as bytes; what lies outside counts for nothing.
export function bicubic({ pixels, height, width }, scale) {
  const wide = stretched(pixels, height, width, 3, scale); // along the rows
  const tall = stretched(wide, 1, height, 3 * width * scale, scale); // along the columns
  return Uint8ClampedArray.from(tall, (value) => 255 * value);
}

// `count` rows of `length` places of `channels` numbers, with `scale` times as many places.
function stretched(values, count, length, channels, scale) {
  const result = new Float32Array(values.length * scale);
  for (let to = 0; to < length * scale; to++) {
    const middle = (to + 0.5) / scale - 0.5,
      first = Math.floor(middle) - 1;
    const taps = [0, 1, 2, 3].map((tap) => first + tap).filter((from) => from >= 0 && from < length);
    const weights = taps.map((from) => keys(Math.abs(from - middle)));
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    for (let row = 0; row < count; row++) {
      const target = (row * length * scale + to) * channels;
      taps.forEach((from, tap) => {
        const source = (row * length + from) * channels,
          weight = weights[tap] / all;
        for (let channel = 0; channel < channels; channel++)
          result[target + channel] += weight * values[source + channel];
      });
    }
  }
  return result;
}

const keys = (x) => (x <= 1 ? 1.5 * x ** 3 - 2.5 * x ** 2 + 1 : -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2);

// -- the demonstration ------------------------------------------------------------------------------------

// RGB bytes -> what a canvas takes.
function imageData(bytes, height, width) {
  const shown = new ImageData(width, height);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    for (let channel = 0; channel < 3; channel++) shown.data[to + channel] = bytes[from + channel];
    shown.data[to + 3] = 255;
  }
  return shown;
}

// How far the network's luminance is from bicubic's: white for nothing, vermilion for FULL grey levels or more.
// (Two colours for lighter and darker, which lie side by side at every edge, mix to grey on a small screen.)
function addedMap(made, rule) {
  let sum = 0,
    much = 0;
  const bytes = new Uint8ClampedArray(made.length),
    count = made.length / 3;
  for (let at = 0; at < made.length; at += 3) {
    let added = 0;
    for (let channel = 0; channel < 3; channel++) added += (made[at + channel] - rule[at + channel]) / 3;
    const levels = Math.abs(added),
      share = Math.min(1, levels / FULL);
    sum += levels;
    much += levels > 5;
    bytes.set([255 - 42 * share, 255 - 161 * share, 255 - 255 * share], at); // to (213, 94, 0)
  }
  return { bytes, mean: sum / count, much: much / count };
}

// A word at the top of a part of the picture, where there is room for it.
function named(pen, word, x, room, side) {
  pen.font = "bold 14px sans-serif";
  if (pen.measureText(word).width + 8 > room) return;
  Object.assign(pen, {
    textAlign: side,
    textBaseline: "top",
    lineWidth: 3,
    strokeStyle: "black",
    fillStyle: "white",
  });
  pen.strokeText(word, x, 4);
  pen.fillText(word, x, 4);
}

export async function start(root) {
  const [model, facts, example] = await Promise.all([
    session("super_resolution"),
    json("enlarge"),
    image("enlarge_photograph.png"),
  ]);
  const figure = group(root, "lab-figure"),
    controls = group(root);
  figure.style.cssText = "flex: 1 1 100%; min-width: 0";
  // More than fits is scrolled inside, by keyboard too.
  const frame = group(figure, "lab-scroll");
  frame.style.cssText = "overflow: auto; max-width: 100%; max-height: 80vh";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute(
    "aria-label",
    "The photograph made larger; scroll with the arrow keys · 放大后的照片，可用方向键滚动",
  );
  const canvas = picture(frame, "");
  const bar = document.createElement("progress");
  bar.style.width = "100%";
  bar.setAttribute("aria-label", "tiles computed · 已计算的分块");
  figure.append(bar);

  const view = { what: "both", border: 0.5, zoom: "fit" };
  let shown = null,
    asked = 0;

  function draw() {
    if (!shown) return;
    const { height, width } = shown,
      pen = canvas.getContext("2d"),
      edge = Math.round(view.border * width);
    Object.assign(canvas, { width, height });
    canvas.style.cssText =
      view.zoom === "fit"
        ? `width: ${2 * width}px; max-width: 100%; height: auto`
        : `width: ${Number(view.zoom) * width}px; max-width: none; height: auto; image-rendering: pixelated`;
    if (view.what === "added") {
      pen.putImageData(shown.added, 0, 0);
    } else {
      pen.putImageData(shown.made, 0, 0);
      pen.putImageData(shown.rule, 0, 0, 0, 0, edge, height);
      if (edge > 0 && edge < width) {
        pen.fillStyle = "white";
        pen.fillRect(edge - 1, 0, 2, height);
        pen.fillStyle = "black";
        pen.fillRect(edge + 1, 0, 1, height);
      }
      named(pen, "bicubic", 4, edge, "left");
      named(pen, "network", width - 4, width - edge, "right");
    }
    canvas.setAttribute(
      "aria-label",
      view.what === "added"
        ? `Map of what the network added to ${shown.name}: ${shown.words}`
        : `${shown.name}, ${width} by ${height} pixels: ` +
            `the left ${Math.round(100 * view.border)} % by bicubic, the rest by the network`,
    );
  }

  // At first all is bicubic; the network's tiles follow, one by one.
  async function enlarge(bitmap, name) {
    const number = ++asked,
      photograph = scaled(bitmap, LONGEST),
      rule = bicubic(photograph, facts.scale);
    const { height, width } = photograph,
      sides = [height * facts.scale, width * facts.scale];
    const made = rule.slice(),
      smaller = width < bitmap.width || height < bitmap.height;
    shown = {
      name,
      words: "not computed yet",
      height: sides[0],
      width: sides[1],
      rule: imageData(rule, ...sides),
    };
    const update = () => {
      const added = addedMap(made, rule);
      Object.assign(shown, { made: imageData(made, ...sides), added: imageData(added.bytes, ...sides) });
      draw();
      return added;
    };
    update();
    bar.style.visibility = "visible";
    bar.value = 0;
    const first = smaller ? `First made smaller, from ${bitmap.width} × ${bitmap.height} pixels; ` : "";
    say(root, `${first}working on ${width} × ${height} pixels. · 正在计算 ${width} × ${height} 像素。`);
    await onScreen();
    const began = performance.now();
    await upscale(model, photograph, facts, made, async (share) => {
      if (number !== asked) return false; // another photograph was chosen meanwhile
      bar.value = share;
      update();
      await onScreen();
      return number === asked;
    });
    if (number !== asked) return;
    const seconds = ((performance.now() - began) / 1000).toFixed(1),
      { mean, much } = update();
    const [levels, percent] = [mean.toFixed(1), Math.round(100 * much)];
    shown.words = `on average ${levels} grey levels a pixel, and more than 5 in ${percent} % of the pixels`;
    draw();
    bar.style.visibility = "hidden";
    say(
      root,
      `${width} × ${height} became ${sides[1]} × ${sides[0]} pixels in ${seconds} s. ` +
        `The network added ${shown.words}. · ` +
        `用时 ${seconds} 秒；网络平均每像素改动 ${levels} 个灰度级。`,
    );
  }

  const label = document.createElement("label"),
    name = document.createElement("span"),
    input = document.createElement("input");
  label.className = "lab-control";
  name.className = "lab-control-name";
  name.textContent = "your photograph · 你的照片";
  Object.assign(input, { type: "file", accept: "image/*", className: "lab-file" });
  input.style.maxWidth = "100%";
  label.append(name, input);
  controls.append(label);
  // Whatever fails ends in one sentence, and the photograph before stays.
  const tried = async (work) => {
    try {
      await work();
    } catch (error) {
      say(root, error.message);
    }
  };
  const takeExample = () => tried(() => enlarge(example, "a cup of coffee"));
  input.addEventListener("change", () =>
    tried(async () => {
      if (input.files.length) await enlarge(await opened(input.files[0]), "your photograph");
    }),
  );
  button(controls, { name: "The example", chinese: "示例照片", click: takeExample });
  choice(controls, {
    name: "show",
    chinese: "显示",
    value: view.what,
    options: [
      ["both", "bicubic | network · 双三次 | 网络"],
      ["added", "what the network added · 网络添加的细节"],
    ],
    change: (what) => {
      view.what = what;
      draw();
    },
  });
  const border = slider(controls, {
    name: "border: bicubic on its left",
    chinese: "分界：左侧为双三次",
    low: 0,
    high: 100,
    step: 1,
    value: 50,
    change: (percent) => {
      view.border = percent / 100;
      draw();
    },
  });
  choice(controls, {
    name: "size",
    chinese: "大小",
    value: view.zoom,
    options: [
      ["fit", "as wide as the page · 适应页面"],
      ["1", "pixel for pixel · 原始像素"],
      ["2", "twice as large · 放大两倍"],
    ],
    change: (zoom) => {
      view.zoom = zoom;
      draw();
    },
  });
  const note = document.createElement("p");
  note.style.cssText = "font-size: 0.85em; margin: 0.6rem 0 0";
  note.textContent =
    `The photograph stays in this page; nothing is sent. ` +
    `Sides longer than ${LONGEST} pixels are made smaller first. ` +
    `In the map of what was added, vermilion stands for ${FULL} grey levels and more. (${facts.licence}) · ` +
    `照片不会离开本页。长边超过 ${LONGEST} 像素时先缩小。细节图中橙红表示相差 ${FULL} 个灰度级以上。`;
  controls.append(note);
  // With a finger or the mouse the border follows.
  canvas.addEventListener("pointermove", (event) => {
    if (view.what !== "both" || (event.pointerType === "mouse" && !event.buttons)) return;
    border.value = Math.round((100 * event.offsetX) / canvas.clientWidth);
    border.dispatchEvent(new Event("input"));
  });
  takeExample(); // not awaited: its bicubic half is there at once
}
