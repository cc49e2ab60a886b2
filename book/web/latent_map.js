// Notebook 06: the plane through the codes of three drawings, decoded under the finger.

import { group, json, latest, paint, picture, run, say, session, tensor } from "./core.js";

const SIDE = 28; // pixels of a drawing
const STEP = 0.02; // of the map's side, for each press of an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export async function start(root) {
  const [model, table] = await Promise.all([session("drawings_vae"), json("latent_map")]);
  const size = table.origin.length;
  const map = group(root, "lab-map");
  const lattice = picture(map, "Map of the plane: move the point with the arrow keys · 平面图：用方向键移动光标");
  const point = group(map, "lab-map-point");
  const canvas = picture(root, "The drawing at the point");
  canvas.classList.add("lab-smooth", "lab-map-drawing");

  // Codes of places (right, up), each from 0 to 1, one after the other: Float32Array (n * size).
  const codes = (places) => Float32Array.from({ length: places.length * size }, (_, at) => {
    const [right, up] = places[Math.floor(at / size)];
    const coordinate = at % size;
    return table.origin[coordinate] + right * table.across[coordinate] + up * table.along[coordinate];
  });
  const decode = async (places) =>
    (await run(model, { latent: tensor(codes(places), [places.length, size]) })).pixels.data;

  // The background: tiles, from the upper left, each with what the decoder draws at its middle.
  const { tiles } = table;
  const middles = Array.from({ length: tiles * tiles }, (_, at) => [
    ((at % tiles) + 0.5) / tiles, 1 - (Math.floor(at / tiles) + 0.5) / tiles,
  ]);
  const drawn = await decode(middles);
  const sheet = new Float32Array(drawn.length);
  for (let at = 0; at < drawn.length; at += 1) {
    const tile = Math.floor(at / SIDE ** 2), row = Math.floor(at / SIDE) % SIDE;
    const down = Math.floor(tile / tiles) * SIDE + row;
    sheet[down * SIDE * tiles + (tile % tiles) * SIDE + (at % SIDE)] = 0.6 * drawn[at];
  }
  paint(lattice, sheet, SIDE * tiles, SIDE * tiles, 1);
  table.corners.forEach(([right, up], at) => {
    const mark = group(map, "lab-map-mark");
    mark.textContent = "ABC"[at];
    put(mark, right, up);
  });

  let place = [0.5, 0.4];
  const draw = latest(async () => {
    const [right, up] = place;
    put(point, right, up);
    paint(canvas, await decode([place]), SIDE, SIDE, 1);
    const shares = table.shares.map(([constant, across, along]) => constant + across * right + along * up);
    const words = shares.map((share, at) => `${"ABC"[at]} ${Math.round(100 * share)} %`).join(", ");
    say(root, `Shares of the three cats · 三只猫的比例: ${words}`);
  });
  const go = (right, up) => {
    place = [right, up].map((each) => Math.min(1, Math.max(0, each)));
    return draw();
  };
  const follow = (event) => {
    const box = lattice.getBoundingClientRect();
    go((event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height);
  };
  lattice.tabIndex = 0;
  lattice.setAttribute("role", "application"); // so that a screen reader passes the arrow keys on
  lattice.addEventListener("pointerdown", (event) => {
    lattice.setPointerCapture(event.pointerId);
    follow(event);
  });
  lattice.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" || event.buttons) follow(event);
  });
  lattice.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault(); // the page would scroll
    go(place[0] + STEP * ARROWS[event.key][0], place[1] + STEP * ARROWS[event.key][1]);
  });
  await draw();
}

// Put a mark at a place of the map, from 0 to 1 to the right and up.
function put(mark, right, up) {
  mark.style.left = `${100 * right}%`;
  mark.style.top = `${100 * (1 - up)}%`;
}
