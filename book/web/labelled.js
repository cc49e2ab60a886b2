// Notebook 09: eight drawings of the class that was asked for, at a temperature.

import { button, choice, group, latest, move, normals, paint, picture, run, say, session, slider, tensor } from "./core.js";

const LATENT = 16; // coordinates of z
const CLASSES = ["cat 猫", "dog 狗", "elephant 大象", "giraffe 长颈鹿", "horse 马"];
const SIDE = 28; // pixels of a drawing
const COUNT = 8, COLUMNS = 4;

export async function start(root) {
  const model = await session("labelled_vae");
  const canvas = picture(root, "Eight silhouettes");
  canvas.classList.add("lab-sheet-of-drawings");
  const controls = group(root);
  let label = 0, temperature = 0.7, first = 1;

  const draw = latest(async () => {
    const latent = new Float32Array(COUNT * LATENT), labels = new Float32Array(COUNT * CLASSES.length);
    for (let which = 0; which < COUNT; which += 1) {
      // z of each drawing has a seed of its own; the temperature is its length.
      latent.set(normals(first + which, LATENT).map((each) => temperature * each), which * LATENT);
      labels[which * CLASSES.length + label] = 1;
    }
    const { pixels } = await run(model, {
      latent: tensor(latent, [COUNT, LATENT]),
      label: tensor(labels, [COUNT, CLASSES.length]),
    });
    paint(canvas, side_by_side(pixels.data), (SIDE * COUNT) / COLUMNS, SIDE * COLUMNS, 1);
    canvas.setAttribute("aria-label", `Eight silhouettes: ${CLASSES[label]}, temperature ${temperature}`);
    say(root, `${CLASSES[label]}, temperature · 温度 ${temperature}, seeds · 种子 ${first}–${first + COUNT - 1}`);
  });

  choice(controls, {
    name: "Class", chinese: "类别", options: CLASSES.map((name, at) => [at, name]), value: 0,
    change: (value) => { label = Number(value); return draw(); },
  });
  slider(controls, {
    name: "Temperature", chinese: "温度", low: 0, high: 2, step: 0.1, value: temperature,
    change: (value) => { temperature = value; return draw(); },
  });
  const seed = slider(controls, {
    name: "First seed", chinese: "起始种子", low: 1, high: 1000, step: 1, value: first,
    change: (value) => { first = value; return draw(); },
  });
  button(controls, {
    name: "Eight others", chinese: "换八幅", click: () => move(seed, ((first + COUNT - 1) % 1000) + 1),
  });
  await draw();
}

// Drawings one after the other, (n * side * side), as one picture of COLUMNS drawings a row.
function side_by_side(drawings) {
  const sheet = new Float32Array(drawings.length);
  for (let at = 0; at < drawings.length; at += 1) {
    const which = Math.floor(at / SIDE ** 2), row = Math.floor(at / SIDE) % SIDE;
    const down = Math.floor(which / COLUMNS) * SIDE + row;
    sheet[down * SIDE * COLUMNS + (which % COLUMNS) * SIDE + (at % SIDE)] = drawings[at];
  }
  return sheet;
}
