// Notebook 27: a spoken digit from noise, seen and heard, and what the judge hears.

import { button, choice, group, json, latest, normals, note, paint, picture, run, say, session, slider, tensor } from "./core.js";
import { walk } from "./sampler.js";
import { fromPicture, RATE, wavFile } from "./sound.js";

const STEPS = 8; // of Heun: 15 questions to the network

// The stored model of digits, what digits.json says of it, and the judge.
//
// velocity(mixed, time, label, guidance) is for one picture; both questions that guidance asks go in one run.
// judged(picture) gives the probabilities of the digits and of the speakers.
export async function digitModel() {
  const [network, judge, facts] = await Promise.all([
    session("digits_diffusion"),
    session("digits_judge"),
    json("digits"),
  ]);
  const shape = [facts.frames, facts.bands, 1];
  const size = facts.frames * facts.bands;
  const classes = facts.digits.length * facts.speakers.length;

  async function velocity(mixed, time, label, guidance = 1) {
    const count = guidance === 1 ? 1 : 2;
    const both = new Float32Array(count * size);
    for (let item = 0; item < count; item += 1) both.set(mixed, item * size);
    const rows = new Float32Array(count * classes);
    rows[label] = 1; // the second picture, where there is one, has no label
    const { pixels } = await run(network, {
      noisy: tensor(both, [count, ...shape]),
      time: tensor(new Float32Array(count).fill(time), [count, 1]),
      label: tensor(rows, [count, classes]),
    });
    const told = pixels.data.slice(0, size);
    if (count === 1) return told;
    const bare = pixels.data.slice(size);
    return told.map((value, at) => bare[at] + guidance * (value - bare[at]));
  }

  async function judged(levels) {
    const { pixels } = await run(judge, { image: tensor(levels, [1, ...shape]) }); // first digits, then speakers
    const shares = Array.from(pixels.data);
    return { digits: shares.slice(0, facts.digits.length), speakers: shares.slice(facts.digits.length) };
  }

  return { ...facts, size, undo: numbers(facts.undo), velocity, judged };
}

// A picture in [0, 1], frame by frame, of class `label` from the noise of `seed`.
export async function drawn(model, label, guidance, seed, steps = STEPS) {
  const velocity = (mixed, time) => model.velocity(mixed, time, label, guidance);
  let last;
  for await (last of walk({ velocity, noise: normals(seed, model.size), steps, sampler: "heun" }));
  return last.mixed.map((value) => Math.max(0, Math.min(1, (value + 1) / 2)));
}

export async function start(root) {
  if (typeof WebAssembly === "undefined") throw new Error("this browser runs no WebAssembly");
  const model = await digitModel();
  const canvas = picture(root, "A spoken digit as a picture");
  const controls = group(root);
  const asked = { digit: 7, speaker: 2, guidance: 2, seed: 1 };
  const player = document.createElement("audio");
  Object.assign(player, { controls: true, className: "lab-player" });
  const plays = player.canPlayType("audio/wav") !== "";
  let address = "";

  const make = latest(async (aloud) => {
    say(root, "Drawing … · 正在生成……");
    const { digit, speaker, guidance, seed } = asked;
    const begun = performance.now();
    const levels = await drawn(model, digit * model.speakers.length + speaker, guidance, seed);
    const between = performance.now();
    const wave = fromPicture(levels, model.undo);
    const [whole, search] = [performance.now() - begun, performance.now() - between];
    show(canvas, levels, model);
    const heard = await model.judged(levels);
    const [number, voice] = [surest(heard.digits), surest(heard.speakers)];
    const words = `${model.digits[digit]} in the voice of ${model.speakers[speaker]}`;
    canvas.setAttribute("aria-label", `Spectrogram of ${words}, take ${seed}`);
    player.setAttribute("aria-label", `Sound: ${words}, take ${seed}`);
    if (plays) {
      URL.revokeObjectURL(address);
      address = URL.createObjectURL(new Blob([wavFile(wave)], { type: "audio/wav" }));
      player.src = address;
      if (aloud) player.play().catch(() => {}); // a browser may refuse: the player is there to press
    }
    const silent = "This browser plays no WAV sound: the picture is all there is. · 本浏览器不能播放 WAV 声音，只有图。";
    const percent = (share) => `${Math.round(100 * share)} %`;
    say(
      root,
      `Made in ${Math.round(whole)} ms, ${Math.round(search)} of them for the phase. The judge hears ` +
        `${model.digits[number]} (${percent(heard.digits[number])}), the voice of ${model.speakers[voice]} ` +
        `(${percent(heard.speakers[voice])}). · 用时 ${Math.round(whole)} 毫秒；判别网络听到 ` +
        `${model.digits[number]}，说话人 ${model.speakers[voice]}。${plays ? "" : ` ${silent}`}`,
    );
  });

  choice(controls, {
    name: "Digit", chinese: "数字", options: model.digits.map((name, at) => [at, name]), value: asked.digit,
    change: (value) => { asked.digit = Number(value); },
  });
  choice(controls, {
    name: "Voice", chinese: "说话人", options: model.speakers.map((name, at) => [at, name]), value: asked.speaker,
    change: (value) => { asked.speaker = Number(value); },
  });
  slider(controls, {
    name: "guidance", chinese: "引导强度", low: 0, high: 5, step: 0.5, value: asked.guidance,
    change: (value) => { asked.guidance = value; },
  });
  slider(controls, {
    name: "take", chinese: "第几次", low: 1, high: 99, step: 1, value: asked.seed,
    change: (value) => { asked.seed = value; },
  });
  button(controls, { name: "Say it", chinese: "念出来", click: () => make(true) });
  if (plays) controls.append(player);
  const [seconds, kilohertz] = [(model.frames / 100).toFixed(2), RATE / 2000];
  note(
    root,
    `To the right 0 to ${seconds} s, upwards 0 to ${kilohertz} kHz in equal steps of pitch. · 向右为 0–${seconds} 秒，` +
      `向上为 0–${kilohertz} kHz（梅尔刻度）。 ${model.licence}`,
  );
  await make(false);
}

function surest(shares) {
  return shares.indexOf(Math.max(...shares));
}

// The picture with time to the right and low frequencies below.
function show(canvas, levels, { frames, bands, colours }) {
  const pixels = new Float32Array(3 * levels.length);
  const last = colours.length / 3 - 1;
  for (let frame = 0; frame < frames; frame += 1) {
    for (let band = 0; band < bands; band += 1) {
      const shade = Math.round(last * levels[frame * bands + band]);
      const at = 3 * ((bands - 1 - band) * frames + frame);
      for (let channel = 0; channel < 3; channel += 1) pixels[at + channel] = colours[3 * shade + channel] / 255;
    }
  }
  paint(canvas, pixels, bands, frames, 3);
  canvas.classList.add("lab-smooth");
}

// float32 numbers in base 64.
function numbers(words) {
  return new Float32Array(Uint8Array.from(atob(words), (sign) => sign.charCodeAt(0)).buffer);
}
