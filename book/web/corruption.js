// Notebook 15: samples that the study stored, for each corruption and severity. No model runs here.

import { choice, group, image, json, picture, say, slider } from "./core.js";

const SIDE = 28; // pixels of a sample
const COLUMNS = 6;
const CHINESE = {
  label_flip: "标签错误", exact_duplicate: "完全重复", near_duplicate: "近似重复", blur: "模糊", noise: "噪声",
  junk: "无关图像", imbalance: "类别不平衡", fewer_items: "数据减少",
};

export async function start(root) {
  const [sheet, table] = await Promise.all([image("corruption_samples.png"), json("corruption")]);
  const rows = table.samples / COLUMNS;
  const canvas = picture(root, "Samples");
  canvas.classList.add("lab-sheet-of-drawings", "lab-pixelated");
  canvas.width = COLUMNS * SIDE;
  canvas.height = rows * SIDE;
  const controls = group(root);
  const kinds = [...new Set(table.rows.map((row) => row.corruption))].filter((kind) => kind !== "none");
  const severities = [...new Set(table.rows.map((row) => row.severity))];
  let kind = "noise", step = 0;

  const draw = () => {
    const severity = severities[step];
    const wanted = severity === 0 ? "none" : kind;
    const at = table.rows.findIndex((row) => row.corruption === wanted && row.severity === severity);
    const context = canvas.getContext("2d");
    for (let row = 0; row < rows; row += 1) {
      const from = [row * COLUMNS * SIDE, at * SIDE], size = [COLUMNS * SIDE, SIDE];
      context.drawImage(sheet, ...from, ...size, 0, row * SIDE, ...size);
    }
    const { kid, label_accuracy: accuracy } = table.rows[at];
    const spoilt = `${kind.replace("_", " ")} ${CHINESE[kind]}, severity · 程度 ${severity}`;
    const words = severity === 0 ? "clean data · 干净数据" : spoilt;
    canvas.setAttribute("aria-label", `${table.samples} samples: ${words}`);
    say(root, `Asked for bird, cat, elephant and giraffe in turn · 依次要求：鸟、猫、大象、长颈鹿. ${words}: KID ${kid.toFixed(3)}, label accuracy · 标签准确率 ${accuracy.toFixed(2)} (GAN, means of five seeds · 五个种子的平均)`);
  };

  choice(controls, {
    name: "Corruption", chinese: "污染类型", value: kind,
    options: kinds.map((each) => [each, `${each.replace("_", " ")} ${CHINESE[each]}`]),
    change: (value) => { kind = value; draw(); },
  });
  slider(controls, {
    name: "Severity", chinese: "程度", low: 0, high: severities.length - 1, step: 1, value: step,
    words: (value) => severities[value],
    change: (value) => { step = value; draw(); },
  });
  draw();
}
