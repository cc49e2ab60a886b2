// The welcome page: a GAN draws a cat from a seed, and sliders move it along four directions of its own.

import { button, group, json, latest, move, normals, paint, picture, run, say, session, slider, tensor } from "./core.js";

const LATENT = 64; // coordinates of z
const FIRST = 21; // the cat that is shown first
const REACH = 3; // the sliders go so many standard deviations to either side

export async function start(root) {
  const [model, table] = await Promise.all([session("cats"), json("cats")]);
  const width = table.directions[0].length; // coordinates of w
  const canvas = picture(root, "A drawing of a cat's head, made now");
  canvas.classList.add("lab-smooth");
  const controls = group(root);
  const amounts = table.directions.map(() => 0);
  let number = FIRST;

  const draw = latest(async () => {
    const shift = new Float32Array(width);
    amounts.forEach((amount, which) => {
      for (let at = 0; at < width; at += 1) shift[at] += amount * table.directions[which][at];
    });
    const seed = table.seeds[number - 1];
    const begun = performance.now();
    const { pixels } = await run(model, {
      latent: tensor(normals(seed, LATENT), [1, LATENT]),
      shift: tensor(shift, [1, width]),
    });
    const time = (performance.now() - begun).toFixed(1);
    paint(canvas, pixels.data, 28, 28, 1);
    say(root, `Drawn from seed ${seed} in ${time} ms, in this page. · 随机种子 ${seed}，本页用时 ${time} 毫秒。`);
  });

  button(controls, { name: "Another cat", chinese: "再画一只", click: () => {
    middle();
    move(which, 1 + Math.floor(Math.random() * table.seeds.length));
  } });
  const which = slider(controls, {
    name: "Cat", chinese: "第几只", low: 1, high: table.seeds.length, step: 1, value: FIRST,
    change: (value) => { number = value; return draw(); },
  });
  const sliders = table.directions.map((_, at) => slider(controls, {
    name: `Direction ${at + 1}`, chinese: `方向 ${at + 1}`, low: -REACH, high: REACH, step: 0.1, value: 0,
    change: (value) => { amounts[at] = value; return draw(); },
  }));
  const middle = () => sliders.forEach((each) => { if (each.valueAsNumber) move(each, 0); });
  button(controls, { name: "Directions to 0", chinese: "方向归零", click: middle });
  await draw();
}
