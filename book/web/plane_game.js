// A GAN in the plane: aigc_lab/widgets/gan_game.py in JavaScript, in the same order, with the same numbers.
// Numbers are 64-bit; a matrix is a flat array, row by row. tests/browser/test_demos_2.py plays both sides.

import { uniforms } from "./core.js";

export const REACH = 3; // the data lie in the square from -REACH to REACH
const LEAK = 0.2; // slope of the leaky ReLU below zero
const BATCH = 128; // points of each kind in a step

// -- chance -----------------------------------------------------------------------------------------------

// A stream of numbers from one seed: uniform in [0, 1), and pairs of normal numbers by Box and Muller (1958).
export class Random {
  constructor(seed) {
    this.uniform = uniforms(seed);
  }

  uniforms(count) {
    return Float64Array.from({ length: count }, this.uniform);
  }

  normals(count) {
    const values = new Float64Array(count);
    for (let at = 0; at < count; at += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())),
        angle = 2 * Math.PI * this.uniform();
      values[at] = radius * Math.cos(angle);
      if (at + 1 < count) values[at + 1] = radius * Math.sin(angle);
    }
    return values;
  }
}

// -- networks, their optimizer, and the losses ------------------------------------------------------------

// a (rows, inner) times the transpose of b (columns, inner): (rows, columns). Nearly all time is spent here:
// four rows by two columns at once, so that six numbers are read for eight products.
function product(a, b, rows, inner, columns) {
  const result = new Float64Array(rows * columns),
    wholeRows = rows - (rows % 4),
    wholeColumns = columns & ~1;
  for (let row = 0; row < wholeRows; row += 4) {
    const first = row * inner,
      second = first + inner,
      third = second + inner,
      fourth = third + inner;
    for (let column = 0; column < wholeColumns; column += 2) {
      const left = column * inner,
        right = left + inner;
      let one = 0,
        two = 0,
        three = 0,
        four = 0,
        five = 0,
        six = 0,
        seven = 0,
        eight = 0;
      for (let at = 0; at < inner; at++) {
        const p = b[left + at],
          q = b[right + at];
        const w = a[first + at],
          x = a[second + at],
          y = a[third + at],
          z = a[fourth + at];
        one += w * p;
        two += w * q;
        three += x * p;
        four += x * q;
        five += y * p;
        six += y * q;
        seven += z * p;
        eight += z * q;
      }
      const to = row * columns + column,
        to2 = to + columns,
        to3 = to2 + columns,
        to4 = to3 + columns;
      result[to] = one;
      result[to + 1] = two;
      result[to2] = three;
      result[to2 + 1] = four;
      result[to3] = five;
      result[to3 + 1] = six;
      result[to4] = seven;
      result[to4 + 1] = eight;
    }
  }
  for (let row = 0; row < rows; row++)
    // what is left at the edges
    for (let column = row < wholeRows ? wholeColumns : 0; column < columns; column++) {
      let sum = 0;
      for (let at = 0; at < inner; at++) sum += a[row * inner + at] * b[column * inner + at];
      result[row * columns + column] = sum;
    }
  return result;
}

function transposed(matrix, rows, columns) {
  const result = new Float64Array(matrix.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = matrix[row * columns + column];
  return result;
}

// Each number times the slope of the leaky ReLU, which is read from its output.
function masked(values, hidden) {
  return values.map((value, at) => (hidden[at] > 0 ? value : LEAK * value));
}

// Dense layers with leaky ReLU between them. `weights`: matrix (inputs, outputs), offset, matrix, offset, ...
export class Network {
  constructor(sizes, random) {
    this.sizes = sizes;
    this.weights = [];
    for (let layer = 0; layer + 1 < sizes.length; layer++) {
      const [inputs, outputs] = sizes.slice(layer),
        spread = Math.sqrt(2 / inputs); // He et al. 2015
      this.weights.push(random.normals(inputs * outputs).map((value) => value * spread));
      this.weights.push(new Float64Array(outputs));
    }
    this.layers = sizes.length - 1;
  }

  // The output, and what `backward` needs: the input of every layer.
  forward(points, count) {
    const taken = [points];
    for (let layer = 0; ; layer++) {
      const inputs = this.sizes[layer],
        outputs = this.sizes[layer + 1],
        offset = this.weights[2 * layer + 1];
      const matrix = transposed(this.weights[2 * layer], inputs, outputs);
      const values = product(taken[layer], matrix, count, inputs, outputs);
      const last = layer + 1 === this.layers;
      for (let at = 0; at < values.length; at++) {
        const value = values[at] + offset[at % outputs];
        values[at] = last || value > 0 ? value : LEAK * value;
      }
      if (last) return { output: values, taken };
      taken.push(values);
    }
  }

  // The chain rule from the last layer to the first; `slope` is d loss / d output. With `only` the weights'
  // gradients are left out, and only d loss / d points is computed.
  backward(taken, slope, count, only = false) {
    const gradients = [];
    for (let layer = this.layers - 1; layer >= 0; layer--) {
      const inputs = this.sizes[layer],
        outputs = this.sizes[layer + 1];
      if (!only) {
        const across = transposed(slope, count, outputs);
        const offset = new Float64Array(outputs);
        for (let at = 0; at < slope.length; at++) offset[at % outputs] += slope[at];
        gradients.unshift(
          product(transposed(taken[layer], count, inputs), across, inputs, count, outputs),
          offset,
        );
      }
      slope = product(slope, this.weights[2 * layer], count, outputs, inputs);
      if (layer) slope = masked(slope, taken[layer]);
    }
    return { gradients, slope };
  }

  // mean (||d output / d point|| - target)^2 by the weights: the gradient that slope_penalty of
  // gan_game.py explains.
  penaltyGradients(points, count, target) {
    const { taken } = this.forward(points, count);
    const signals = [new Float64Array(count).fill(1)];
    for (let layer = this.layers - 1; layer > 0; layer--) {
      const back = product(
        signals[0],
        this.weights[2 * layer],
        count,
        this.sizes[layer + 1],
        this.sizes[layer],
      );
      signals.unshift(masked(back, taken[layer]));
    }
    const gradient = product(signals[0], this.weights[0], count, this.sizes[1], this.sizes[0]);
    let onward = new Float64Array(gradient.length);
    for (let point = 0; point < count; point++) {
      const [x, y] = gradient.subarray(2 * point),
        length = Math.sqrt(x * x + y * y + 1e-12);
      const factor = (2 * (length - target)) / length / count;
      onward.set([factor * x, factor * y], 2 * point);
    }
    const gradients = [];
    for (let layer = 0; layer < this.layers; layer++) {
      const inputs = this.sizes[layer],
        outputs = this.sizes[layer + 1];
      const across = transposed(signals[layer], count, outputs);
      gradients.push(product(transposed(onward, count, inputs), across, inputs, count, outputs));
      gradients.push(new Float64Array(outputs));
      if (layer + 1 < this.layers) {
        const matrix = transposed(this.weights[2 * layer], inputs, outputs);
        onward = masked(product(onward, matrix, count, inputs, outputs), taken[layer + 1]);
      }
    }
    return gradients;
  }
}

// Adam (Kingma and Ba 2015, algorithm 1) on a list of arrays, which it changes in place.
class Adam {
  constructor(weights, momentum, second = 0.99) {
    Object.assign(this, { weights, momentum, second, steps: 0 });
    this.means = weights.map((each) => new Float64Array(each.length));
    this.squares = weights.map((each) => new Float64Array(each.length));
  }

  step(gradients, rate) {
    this.steps++;
    rate *= Math.sqrt(1 - this.second ** this.steps) / (1 - this.momentum ** this.steps);
    this.weights.forEach((weight, number) => {
      const gradient = gradients[number],
        mean = this.means[number],
        square = this.squares[number];
      for (let at = 0; at < weight.length; at++) {
        mean[at] += (1 - this.momentum) * (gradient[at] - mean[at]);
        square[at] += (1 - this.second) * (gradient[at] * gradient[at] - square[at]);
        weight[at] -= (rate * mean[at]) / (Math.sqrt(square[at]) + 1e-8);
      }
    });
  }
}

const softplus = (logit) => Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));
export const sigmoid = (logit) => (logit >= 0 ? 1 : Math.exp(logit)) / (1 + Math.exp(-Math.abs(logit)));

// For each loss and each kind of logit: the term of one point, and its slope by the logit. Sources as in
// gan_game.py: Goodfellow et al. 2014, Arjovsky et al. 2017, Mao et al. 2017.
const TERMS = {
  real: [(s) => softplus(-s), (s) => -sigmoid(-s)], // -log D
  fake: [softplus, sigmoid], // -log(1 - D)
};
export const LOSSES = {
  saturating: { ...TERMS, generator: [(s) => -softplus(s), (s) => -sigmoid(s)] },
  "non-saturating": { ...TERMS, generator: TERMS.real },
  wasserstein: { real: [(s) => -s, () => -1], fake: [(s) => s, () => 1], generator: [(s) => -s, () => -1] },
  "least squares": {
    real: [(s) => (s - 1) ** 2 / 2, (s) => s - 1],
    fake: [(s) => s ** 2 / 2, (s) => s],
    generator: [(s) => (s - 1) ** 2 / 2, (s) => s - 1],
  },
};
// Above it an output says "real"; a Wasserstein critic has no such border.
export const BORDERS = { saturating: 0, "non-saturating": 0, "least squares": 0.5 };

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function lossAndSlope(loss, kind, logits) {
  const [value, slope] = LOSSES[loss][kind];
  return [mean(logits.map(value)), logits.map((logit) => slope(logit) / logits.length)];
}

// -- the data ---------------------------------------------------------------------------------------------

const spaced = (low, high, count) =>
  Array.from({ length: count }, (_, at) => low + ((high - low) * at) / (count - 1));
const counted = (count) => Array.from({ length: count }, (_, at) => at);

// Equally likely centres with Gaussian spread; `part` says to which mode each centre belongs.
class Shape {
  constructor(centres, part, spread) {
    Object.assign(this, { centres, part, spread, modes: Math.max(...part) + 1 });
  }

  sample(count, random) {
    const chosen = counted(count).map(() => this.centres[Math.floor(random.uniform() * this.centres.length)]);
    return random.normals(2 * count).map((value, at) => chosen[at >> 1][at & 1] + this.spread * value);
  }

  // How many modes got at least a quarter of their fair share, and the share within three deviations.
  score(points) {
    const counts = new Array(this.modes).fill(0),
      fair = new Array(this.modes).fill(0);
    let good = 0;
    for (let at = 0; at < points.length; at += 2) {
      let nearest = 0,
        least = Infinity;
      this.centres.forEach(([x, y], number) => {
        const square = (points[at] - x) ** 2 + (points[at + 1] - y) ** 2;
        if (square < least) [nearest, least] = [number, square];
      });
      if (least > (3 * this.spread) ** 2) continue;
      good++;
      counts[this.part[nearest]]++;
    }
    const count = points.length / 2;
    for (const mode of this.part) fair[mode] += count / this.part.length;
    return { modes: counts.filter((each, mode) => each >= 0.25 * fair[mode]).length, quality: good / count };
  }
}

const moon = spaced(0, Math.PI, 64).map((angle) => [
  1.4 * (Math.cos(angle) - 0.5),
  1.4 * (Math.sin(angle) - 0.25),
]);
const circle = counted(8).map((at) => [
  2 * Math.cos((2 * Math.PI * at) / 8),
  2 * Math.sin((2 * Math.PI * at) / 8),
]);
const ticks = spaced(-2, 2, 5);
export const SHAPES = {
  "ring of eight": new Shape(circle, counted(8), 0.05),
  "two moons": new Shape(
    [...moon, ...moon.map(([x, y]) => [-x, -y])],
    counted(128).map((at) => at >> 4),
    0.1,
  ),
  "grid of 25": new Shape(
    ticks.flatMap((y) => ticks.map((x) => [x, y])),
    counted(25),
    0.05,
  ),
  line: new Shape(
    spaced(-2, 2, 64).map((x) => [x, 0.5 * x]),
    counted(64).map((at) => at >> 3),
    0.08,
  ),
  "one Gaussian": new Shape([[0.8, 0.4]], [0], 0.5),
};

// -- the game ---------------------------------------------------------------------------------------------

export const RULES = {
  loss: "non-saturating",
  discriminatorRate: 1e-3,
  generatorRate: 1e-3,
  discriminatorSteps: 1,
  generatorSteps: 1,
  alternating: true,
  penalty: 0,
};

// Why the rules make no game, in English and Chinese; "" where they do.
export function fault(rules) {
  if (rules.discriminatorSteps + rules.generatorSteps === 0)
    return "At least one player must take a step in a round. · 每一轮至少有一方要走一步。";
  if (!rules.alternating && !(rules.discriminatorSteps === 1 && rules.generatorSteps === 1))
    return "Simultaneous steps are one of each player in a round: set both to 1. · 同时更新时双方每轮各走一步：请都设为 1。";
  return "";
}

// Two small networks on one shape; `values` holds the last round's losses and accuracy, `lost` whether the
// numbers have become infinite.
export class Game {
  constructor(shape, rules, seed, width = 64) {
    this.shape = SHAPES[shape];
    this.rules = { ...RULES, ...rules };
    this.random = new Random(seed);
    this.generator = new Network([2, width, width, 2], this.random);
    this.discriminator = new Network([2, width, width, 1], this.random);
    this.players = {
      discriminator: new Adam(this.discriminator.weights, 0.5),
      generator: new Adam(this.generator.weights, 0.5),
    };
    this.watched = new Random(seed + 1).normals(4000); // always the same: what moves is the generator
    Object.assign(this, { rounds: 0, values: {}, lost: false });
  }

  play(rounds = 1) {
    for (let round = 0; round < rounds && !this.lost; round++) this.#round();
    return this;
  }

  #round() {
    const { rules } = this,
      { discriminator, generator } = this.players;
    if (rules.alternating) {
      for (let step = 0; step < rules.discriminatorSteps; step++)
        discriminator.step(this.#discriminatorSlope(this.#latent()), rules.discriminatorRate);
      for (let step = 0; step < rules.generatorSteps; step++)
        generator.step(this.#generatorSlope(this.#latent()), rules.generatorRate);
    } else {
      const latent = this.#latent(); // one batch of fakes for both
      const slopes = [this.#discriminatorSlope(latent), this.#generatorSlope(latent)];
      discriminator.step(slopes[0], rules.discriminatorRate);
      generator.step(slopes[1], rules.generatorRate);
    }
    this.rounds++;
    const numbers = [Object.values(this.values), ...this.generator.weights, ...this.discriminator.weights];
    this.lost = !numbers.every((each) => each.every(Number.isFinite));
  }

  #latent() {
    return this.random.normals(2 * BATCH);
  }

  #discriminatorSlope(latent) {
    const { rules, discriminator } = this;
    const real = this.shape.sample(BATCH, this.random);
    const fake = this.generator.forward(latent, BATCH).output;
    const both = new Float64Array(4 * BATCH);
    both.set(real);
    both.set(fake, 2 * BATCH);
    const { output, taken } = discriminator.forward(both, 2 * BATCH);
    const ofReal = output.subarray(0, BATCH),
      ofFake = output.subarray(BATCH);
    const [realLoss, realSlope] = lossAndSlope(rules.loss, "real", ofReal);
    const [fakeLoss, fakeSlope] = lossAndSlope(rules.loss, "fake", ofFake);
    const slope = Float64Array.from([...realSlope, ...fakeSlope]);
    const { gradients } = discriminator.backward(taken, slope, 2 * BATCH);
    if (rules.penalty) {
      // Between real and fake points towards slope 1 (Gulrajani et al. 2017), else at real ones towards 0.
      let places = real;
      if (rules.loss === "wasserstein") {
        const mix = this.random.uniforms(BATCH);
        places = real.map((value, at) => mix[at >> 1] * value + (1 - mix[at >> 1]) * fake[at]);
      }
      const more = discriminator.penaltyGradients(places, BATCH, rules.loss === "wasserstein" ? 1 : 0);
      gradients.forEach((each, number) => {
        for (let at = 0; at < each.length; at++) each[at] += rules.penalty * more[number][at];
      });
    }
    const border = BORDERS[rules.loss] ?? 0.5 * (mean(ofReal) + mean(ofFake));
    const right =
      ofReal.filter((logit) => logit > border).length + ofFake.filter((logit) => logit < border).length;
    Object.assign(this.values, { discriminator: realLoss + fakeLoss, accuracy: right / (2 * BATCH) });
    return gradients;
  }

  #generatorSlope(latent) {
    const { output: fake, taken } = this.generator.forward(latent, BATCH);
    const after = this.discriminator.forward(fake, BATCH);
    const [loss, slope] = lossAndSlope(this.rules.loss, "generator", after.output);
    this.values.generator = loss;
    const atFakes = this.discriminator.backward(after.taken, slope, BATCH, true).slope;
    return this.generator.backward(taken, atFakes, BATCH).gradients;
  }

  // Generated points, always of the same latent points: at most 2,000.
  fakes(count = 2000) {
    return this.generator.forward(this.watched.subarray(0, 2 * count), count).output;
  }

  score() {
    return this.shape.score(this.fakes());
  }

  // The discriminator's raw output on a grid of the square, top row first.
  heat(cells) {
    const points = new Float64Array(2 * cells * cells),
      step = (2 * REACH) / cells;
    for (let row = 0; row < cells; row++)
      for (let column = 0; column < cells; column++)
        points.set([(column + 0.5) * step - REACH, REACH - (row + 0.5) * step], 2 * (row * cells + column));
    return this.discriminator.forward(points, cells * cells).output;
  }

  // Fakes, and minus d (generator's loss) / d (each fake): where each is told to go.
  arrows(count = 48) {
    const fakes = this.fakes(count),
      { output, taken } = this.discriminator.forward(fakes, count);
    const slope = lossAndSlope(this.rules.loss, "generator", output)[1].map((value) => -value * count);
    return { fakes, ways: this.discriminator.backward(taken, slope, count, true).slope };
  }
}
