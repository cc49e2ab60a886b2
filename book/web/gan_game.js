// The GAN playground of notebook 08 without a kernel: aigc_lab/widgets/playground.py, played in the page.

import { button, choice, group, picture, say, slider } from "./core.js";
import { BORDERS, Game, LOSSES, REACH, RULES, Random, SHAPES, fault, sigmoid } from "./plane_game.js";

const SIZE = 420; // pixels a side
const CELLS = 40; // of the heat map
const KEPT = 240; // frames in the plot of the losses
const SEED = 0;
const BLUE = [0, 114, 178],
  VERMILION = [213, 94, 0]; // Okabe and Ito's, as in plots.OKABE_ITO
const css = (colour) => `rgb(${colour})`;

// -- pictures ---------------------------------------------------------------------------------------------

const place = (x) => ((x + REACH) * SIZE) / (2 * REACH);

function dots(pen, points, colour, radius) {
  pen.fillStyle = css(colour);
  for (let at = 0; at < points.length; at += 2)
    pen.fillRect(place(points[at]) - radius, place(-points[at + 1]) - radius, 2 * radius, 2 * radius);
}

// The discriminator: blue where it says real, vermilion where it says fake, in 15 bands like a map's heights.
// An output without a fixed scale is shown from its smallest to its largest value.
function drawHeat(pen, game, small) {
  const logits = BORDERS[game.rules.loss] === 0,
    values = game.heat(CELLS).map((v) => (logits ? sigmoid(v) : v));
  const low = logits ? 0 : Math.min(0, ...values),
    high = logits ? 1 : Math.max(1, ...values);
  const pixels = new ImageData(CELLS, CELLS);
  values.forEach((value, at) => {
    const band = Math.min(14, Math.floor((15 * (value - low)) / (high - low))),
      share = Math.abs(band / 7 - 1);
    const full = band < 7 ? VERMILION : BLUE;
    pixels.data.set([...full.map((part) => 255 - 0.55 * share * (255 - part)), 255], 4 * at);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  pen.drawImage(small, 0, 0, SIZE, SIZE);
}

// Where 48 fakes are told to go; the longest arrow has a fixed length.
function drawArrows(pen, game) {
  const { fakes, ways } = game.arrows();
  let longest = 0;
  for (let at = 0; at < ways.length; at += 2) longest = Math.max(longest, Math.hypot(ways[at], ways[at + 1]));
  if (!(longest > 0 && longest < Infinity)) return;
  pen.strokeStyle = pen.fillStyle = "black";
  for (let at = 0; at < ways.length; at += 2) {
    const x = place(fakes[at]),
      y = place(-fakes[at + 1]),
      scale = (0.6 * SIZE) / (2 * REACH) / longest;
    const right = scale * ways[at],
      down = -scale * ways[at + 1],
      length = Math.hypot(right, down);
    if (length < 3) continue; // shorter than its head
    const [u, v] = [right / length, down / length],
      [tipX, tipY] = [x + right, y + down];
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(tipX, tipY);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(tipX, tipY);
    pen.lineTo(tipX - 5 * u - 3 * v, tipY - 5 * v + 3 * u);
    pen.lineTo(tipX - 5 * u + 3 * v, tipY - 5 * v - 3 * u);
    pen.fill();
  }
}

// Both losses of the last frames as lines on one scale.
function drawLosses(canvas, history) {
  const pen = canvas.getContext("2d"),
    { width, height } = canvas;
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  const finite = history.flat().filter(Number.isFinite),
    low = Math.min(...finite),
    high = Math.max(...finite);
  [BLUE, VERMILION].forEach((colour, player) => {
    pen.strokeStyle = css(colour);
    pen.lineWidth = 2;
    pen.beginPath();
    history.forEach((losses, at) => {
      if (!Number.isFinite(losses[player])) return;
      const up = (losses[player] - low) / Math.max(high - low, 1e-9);
      pen.lineTo(2 + ((width - 5) * at) / Math.max(history.length - 1, 1), height - 4 - (height - 8) * up);
    });
    pen.stroke();
  });
}

// -- words ------------------------------------------------------------------------------------------------

function words(game, score) {
  if (game.lost) return `Round ${game.rounds}: the game is over.`;
  const { values } = game,
    part = (share) => `${Math.round(100 * share)} %`;
  let text = `Round ${game.rounds}: ${score.modes} of ${game.shape.modes} modes covered, `;
  text += `${part(score.quality)} of the fakes on the data`;
  for (const player of ["discriminator", "generator"])
    if (player in values) text += `; ${player}'s loss ${values[player].toFixed(2)}`;
  if ("accuracy" in values) text += `; ${part(values.accuracy)} of real and fake points classified correctly`;
  return `${text}.`;
}

const OVER =
  "The weights or the losses are NaN or infinite: start again with smaller learning rates, or with a " +
  "penalty for the Wasserstein loss. · 权重或损失已成为无穷：请减小学习率，或为 Wasserstein 损失加上惩罚项，再重新开始。";

const LEGEND =
  "Blue: real points; vermilion: fakes; arrows: where the generator's loss sends them. Ground: blue where " +
  "the discriminator says real, vermilion where it says fake. Below: both losses. · 蓝点为真实数据，橙红点为生成数据，" +
  "箭头为生成器损失推动的方向；底色为判别器的判断；下图为双方损失。";

// -- the demonstration ------------------------------------------------------------------------------------

export async function start(root) {
  const figure = group(root, "lab-figure"),
    canvas = picture(figure, ""),
    strip = picture(figure, "");
  for (const each of [figure, canvas, strip]) each.style.width = `min(100%, ${SIZE}px)`;
  Object.assign(canvas, { width: SIZE, height: SIZE });
  Object.assign(strip, { width: SIZE, height: 90 });
  const small = new OffscreenCanvas(CELLS, CELLS);
  const [count, legend] = [document.createElement("p"), document.createElement("p")];
  count.className = "lab-count"; // changes many times a second: not read out
  legend.textContent = LEGEND;
  for (const each of [count, legend]) each.style.cssText = "margin: 0.4rem 0 0; font-size: 0.9em";
  figure.append(count, legend);
  const controls = group(root);

  const rules = { ...RULES, discriminatorRate: 10 ** -2.5 }; // all clusters within a minute
  let shape = "ring of eight",
    speed = 4,
    game,
    real,
    score,
    history,
    playing = false,
    frame = 0;

  function draw(still) {
    const pen = canvas.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, SIZE, SIZE);
    if (!game.lost) drawHeat(pen, game, small);
    dots(pen, real, BLUE, 1.5);
    if (!game.lost) {
      dots(pen, game.fakes(500), VERMILION, 2);
      drawArrows(pen, game);
    }
    drawLosses(strip, history);
    // Counting 2,000 fakes takes as long as the whole picture: while it plays, every eighth frame.
    if (still || frame % 8 === 0) score = game.score();
    const text = words(game, score);
    count.textContent = text;
    canvas.setAttribute(
      "aria-label",
      `Real points blue, fakes vermilion, the discriminator as heights. ${text}`,
    );
    strip.setAttribute(
      "aria-label",
      `Losses of the last ${history.length} frames: discriminator blue, generator vermilion.`,
    );
  }

  function step() {
    game.play(speed);
    frame++;
    history = [...history, [game.values.discriminator, game.values.generator]].slice(-KEPT);
    if (game.lost) stop();
    draw(!playing);
    if (game.lost) say(root, OVER);
  }

  function tick() {
    if (!playing || !root.isConnected) return;
    step();
    requestAnimationFrame(tick);
  }

  function stop() {
    playing = false;
    playButton.setAttribute("aria-pressed", "false");
  }

  function again() {
    game = new Game(shape, rules, SEED);
    real = game.shape.sample(500, new Random(SEED));
    history = [];
    draw(true);
    say(root, "New networks; press play. · 新的网络，请按播放。");
  }

  function change(name, value) {
    rules[name] = value;
    const wrong = fault(rules);
    // The old rules go on until the new ones fit together.
    if (!wrong) Object.assign(game.rules, rules);
    say(root, wrong || `Rule changed in round ${game.rounds}. · 规则已在第 ${game.rounds} 轮更改。`);
  }

  const playButton = button(controls, {
    name: "Play or pause",
    chinese: "播放或暂停",
    click: () => {
      if (playing) {
        stop();
        draw(true);
        say(root, `Paused in round ${game.rounds}. · 已在第 ${game.rounds} 轮暂停。`);
      } else if (!game.lost) {
        playing = true;
        playButton.setAttribute("aria-pressed", "true");
        say(root, "Playing. · 正在进行。");
        tick();
      }
    },
  });
  playButton.setAttribute("aria-pressed", "false");
  button(controls, {
    name: "Step",
    chinese: "单步",
    click: () => {
      stop();
      step();
      if (!game.lost) say(root, `Round ${game.rounds} is played. · 已进行到第 ${game.rounds} 轮。`);
    },
  });
  button(controls, { name: "Start again", chinese: "重新开始", click: again });

  const listed = (names, chinese) => names.map((name, at) => [name, `${name} · ${chinese[at]}`]);
  choice(controls, {
    name: "data",
    chinese: "数据",
    value: shape,
    options: listed(Object.keys(SHAPES), ["八个团", "双月", "25 格", "线段", "单个高斯"]),
    change: (value) => {
      shape = value;
      again();
    },
  });
  choice(controls, {
    name: "loss",
    chinese: "损失",
    value: rules.loss,
    options: listed(Object.keys(LOSSES), ["饱和", "不饱和", "Wasserstein", "最小二乘"]),
    change: (value) => change("loss", value),
  });
  for (const [player, chinese] of [
    ["discriminator", "判别器"],
    ["generator", "生成器"],
  ]) {
    slider(controls, {
      name: `${player}'s learning rate, 10 to the power`,
      chinese: `${chinese}学习率（10 的幂）`,
      low: -5,
      high: -1,
      step: 0.1,
      value: Math.log10(rules[`${player}Rate`]),
      change: (value) => change(`${player}Rate`, 10 ** value),
    });
    slider(controls, {
      name: `${player}'s steps in a round`,
      chinese: `${chinese}每轮步数`,
      low: 0,
      high: 10,
      step: 1,
      value: 1,
      change: (value) => change(`${player}Steps`, value),
    });
  }
  choice(controls, {
    name: "order",
    chinese: "次序",
    value: "alternating",
    options: [
      ["simultaneous", "simultaneous · 同时"],
      ["alternating", "alternating · 交替"],
    ],
    change: (value) => change("alternating", value === "alternating"),
  });
  choice(controls, {
    name: "penalty on the slope",
    chinese: "斜率惩罚",
    value: "0",
    options: ["0", "0.02", "0.1", "1", "10"].map((value) => [value, value]),
    change: (value) => change("penalty", Number(value)),
  });
  slider(controls, {
    name: "rounds in a frame of the picture",
    chinese: "画面每帧进行的轮数",
    low: 1,
    high: 50,
    step: 1,
    value: speed,
    change: (value) => (speed = value),
  });
  again();
}
