// The samplers of aigc_lab/models/diffusion.py, for a network that predicts the velocity on the straight path
// x_t = (1 - t) x + t e. Pictures run from -1 to 1 here, as the network sees them.

import { json, run, session, tensor } from "./core.js";

export const LATEST = 0.999; // as in diffusion.py: at t = 1 nothing is left of the picture

// The stored model of drawings: what drawings.json says of it (side, classes, drawings, …) and its velocity.
//
// velocity(mixed, time, label, guidance) gives a Float32Array of the length of `mixed`, which holds one picture
// after the other; label is a class number, or -1 for none. With guidance w it is the velocity without the
// label and w times the way from it to the one with the label.
export async function drawingModel() {
  const [network, facts] = await Promise.all([session("drawings_diffusion"), json("drawings")]);
  const { side, classes } = facts;

  async function ask(mixed, time, label) {
    const count = mixed.length / (side * side);
    const rows = new Float32Array(count * classes.length); // one-hot, all zeros for no label
    for (let item = 0; label >= 0 && item < count; item += 1) rows[item * classes.length + label] = 1;
    const answer = await run(network, {
      noisy: tensor(mixed, [count, side, side, 1]),
      time: tensor(new Float32Array(count).fill(time), [count, 1]),
      label: tensor(rows, [count, classes.length]),
    });
    return answer.pixels.data;
  }

  async function velocity(mixed, time, label, guidance = 1) {
    const told = await ask(mixed, time, label);
    if (label < 0 || guidance === 1) return told;
    const bare = await ask(mixed, time, -1);
    return told.map((value, at) => bare[at] + guidance * (value - bare[at]));
  }

  return { ...facts, velocity };
}

// From noise at t = 0.999 to pictures at t = 0, in equal steps. After each step it yields {step, time, mixed,
// clean, asked}: x at the time now reached, the clean picture that the network expected when the step began,
// and how often the network was asked so far.
//
// velocity(mixed, time) gives a promise of a Float32Array. sampler is "euler" (on the straight path that is
// DDIM, too), "heun" or "ddpm"; fresh(step) is the new noise of a step of ddpm. correct(clean) puts what is
// known into the expected picture, in place; not with heun.
export async function* walk({ velocity, noise, steps, sampler, fresh, correct }) {
  let mixed = noise;
  let asked = 0;
  for (let step = 1; step <= steps; step += 1) {
    const time = LATEST * (1 - (step - 1) / steps);
    const next = LATEST * (1 - step / steps);
    let slope = await velocity(mixed, time);
    asked += 1;
    const clean = mixed.map((value, at) => value - time * slope[at]);
    if (sampler === "heun") {
      if (next > 0) {
        const ahead = await velocity(mixed.map((value, at) => value + (next - time) * slope[at]), next);
        asked += 1;
        slope = slope.map((value, at) => (value + ahead[at]) / 2);
      }
      mixed = mixed.map((value, at) => value + (next - time) * slope[at]);
    } else {
      correct?.(clean);
      // Variance of x at the next time, given x now and the clean picture (Ho et al. 2020, equation 7).
      const ratio = (1 - time) / (1 - next);
      const random = sampler === "ddpm" ? (time ** 2 - (ratio * next) ** 2) * (next / time) ** 2 : 0;
      const kept = Math.sqrt(Math.max(next ** 2 - random, 0));
      const added = random > 0 ? fresh(step) : null;
      mixed = mixed.map((value, at) => {
        const old = (value - (1 - time) * clean[at]) / time; // the noise that x and the clean picture leave
        return (1 - next) * clean[at] + kept * old + (added ? Math.sqrt(random) * added[at] : 0);
      });
    }
    yield { step, time: next, mixed, clean, asked };
  }
}
