// Diffusion step by step: four drawings on their way from noise, as in notebook 22.

import { button, captioned, choice, group, normals, paint, say, slider } from "./core.js";
import { drawingModel, LATEST, walk } from "./sampler.js";

const COUNT = 4;
const SAMPLERS = [
  ["euler", "Euler, same as DDIM · 欧拉法（即 DDIM）"],
  ["heun", "Heun · Heun 法"],
  ["ddpm", "DDPM, fresh noise · DDPM（加新噪声）"],
];

export async function start(root) {
  const model = await drawingModel();
  const size = model.side * model.side;
  const settings = { label: model.classes.indexOf("cat"), steps: 20, sampler: "euler", guidance: 1, seed: 0 };
  let way; // the generator of the steps that are left
  let state; // what the last step gave
  let playing = null; // the newest run of "Play"; an older one ends by itself

  const seen = captioned(root, "x at t · 时刻 t 的 x", "lab-wide");
  const expected = captioned(root, "The clean drawing the network expected · 网络预测的干净图像", "lab-wide");
  const buttons = group(root, "lab-wide");
  button(buttons, { name: "Next step", chinese: "下一步", click: () => move(true) });
  const play = button(buttons, {
    name: "Play or pause",
    chinese: "播放／暂停",
    click: () => {
      if (!playing) return goOn();
      pause();
      say(root, words());
    },
  });
  button(buttons, { name: "Start again", chinese: "重新开始", click: again });
  const controls = group(root);
  choice(controls, {
    name: "drawing of",
    chinese: "画什么",
    options: [
      ...model.classes.map((name, number) => [number, `${name} · ${model.chinese[number]}`]),
      [-1, "not told · 不指定"],
    ],
    value: settings.label,
    change: (value) => change({ label: Number(value) }),
  });
  choice(controls, {
    name: "sampler",
    chinese: "采样器",
    options: SAMPLERS,
    value: settings.sampler,
    change: (sampler) => change({ sampler }),
  });
  const numbers = [
    ["steps", "步数", 1, 50, 1],
    ["guidance", "引导强度", 0, 6, 0.5],
    ["seed", "随机种子", 0, 99, 1],
  ];
  for (const [name, chinese, low, high, step] of numbers) {
    const value = settings[name];
    slider(controls, { name, chinese, low, high, step, value, change: (now) => change({ [name]: now }) });
  }
  again();

  function change(what) {
    Object.assign(settings, what);
    again();
  }

  function again() {
    pause();
    const { label, steps, sampler, guidance, seed } = settings;
    const random = normals(seed, COUNT * size * (steps + 1)); // the start, then one share for each step
    const share = (step) => random.slice(step * COUNT * size, (step + 1) * COUNT * size);
    const velocity = (mixed, time) => model.velocity(mixed, time, label, guidance);
    way = walk({ velocity, noise: share(0), steps, sampler, fresh: share });
    state = { step: 0, time: LATEST, mixed: share(0), clean: null, asked: 0 };
    show();
    say(root, words());
  }

  // One step; false when there is none left, or when the settings changed meanwhile.
  async function move(tell) {
    const mine = way;
    const began = performance.now();
    const { value, done } = await mine.next();
    if (mine !== way) return false;
    if (done) {
      say(root, "All steps are done; start again for the same noise. · 所有步骤已完成，可重新开始。");
      return false;
    }
    state = { ...value, milliseconds: performance.now() - began };
    show();
    if (tell || state.step === settings.steps) say(root, words());
    return state.step < settings.steps;
  }

  async function goOn() {
    if (state.step === settings.steps) again();
    const mine = {};
    playing = mine;
    play.setAttribute("aria-pressed", "true");
    say(root, "Playing… · 播放中……");
    while (playing === mine && (await move(false))) {
      await new Promise((resolve) => setTimeout(resolve, 60)); // long enough to see each step
    }
    if (playing === mine) pause();
  }

  function pause() {
    playing = null;
    play.setAttribute("aria-pressed", "false");
  }

  function words() {
    const { step, time, asked, milliseconds } = state;
    if (!step) return `Noise, before the first of ${settings.steps} steps. · 纯噪声，共 ${settings.steps} 步。`;
    return (
      `Step ${step} of ${settings.steps}, t = ${time.toFixed(2)}; ${asked} questions to the network, ` +
      `${milliseconds.toFixed(0)} ms for this step. · 第 ${step} 步，已询问网络 ${asked} 次。`
    );
  }

  function show() {
    const { step, time, mixed, clean } = state;
    const name = settings.label < 0 ? "drawing" : `drawing of class ${model.classes[settings.label]}`;
    const when = `step ${step} of ${settings.steps}, t = ${time.toFixed(2)}`;
    seen.previousElementSibling.textContent = `x at t = ${time.toFixed(2)} · 时刻 t 的 x`;
    row(seen, mixed, model.side);
    row(expected, clean ?? new Float32Array(COUNT * size).fill(-1), model.side);
    seen.setAttribute("aria-label", `${COUNT} times a ${name} on its way from noise, ${when}`);
    expected.setAttribute(
      "aria-label",
      clean ? `The ${COUNT} clean drawings that the network expected, ${when}` : "Empty: no step yet",
    );
  }
}

// Pictures from -1 to 1 side by side, with a grey line between them.
function row(canvas, pictures, side) {
  const count = pictures.length / (side * side);
  const width = count * (side + 1) - 1;
  const pixels = new Float32Array(side * width).fill(0.45);
  pictures.forEach((value, at) => {
    const [item, inside] = [Math.floor(at / (side * side)), at % (side * side)];
    pixels[Math.floor(inside / side) * width + item * (side + 1) + (inside % side)] = (value + 1) / 2;
  });
  paint(canvas, pixels, side, width, 1);
  canvas.classList.add("lab-pixelated");
}
