// Puts the parts of a lab on slides, goes on to a further slide where one is full, and turns the slides.
window.addEventListener("load", async () => {
  const stage = document.getElementById("stage");
  const flow = window.innerWidth < 700;
  document.documentElement.classList.toggle("flow", flow);
  const source = document.getElementById("parts");
  const slides = [];

  function addSlide(title, more) {
    const slide = document.createElement("section");
    slide.className = "slide";
    const head = document.createElement("h2");
    head.innerHTML = title;
    if (more) head.append(" …");
    const body = document.createElement("div");
    body.className = "body";
    slide.append(head, body);
    slide.dataset.title = title;
    stage.append(slide);
    slides.push(slide);
    return body;
  }

  const full = (body) => !flow && (body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1);

  // Takes the last items out of a list, a table or a text until it fits; gives a part with what was taken.
  function split(part, body) {
    const kinds = "ul, ol, pre, tbody, .claim, .lab-sounds";
    const list = part.matches(kinds) ? part : part.querySelector(kinds);
    if (!list) return null;
    const rest = part.cloneNode(true);
    const others = list === part ? rest : rest.querySelector(kinds);
    if (list.matches("pre")) {
      const lines = list.innerHTML.split("\n");
      let kept = lines.length;
      while (kept > 1 && full(body)) list.innerHTML = lines.slice(0, --kept).join("\n");
      if (kept === lines.length) return null;
      others.innerHTML = lines.slice(kept).join("\n");
      return full(body) ? null : rest;
    }
    const items = [...list.children];
    let kept = items.length;
    while (kept > 1 && full(body)) items[--kept].remove();
    if (full(body) || kept === items.length) {
      items.slice(kept).forEach((item) => list.append(item));
      return null;
    }
    [...others.children].slice(0, kept).forEach((item) => item.remove());
    if (list.matches("ol")) others.start = (list.start || 1) + kept;
    return rest;
  }

  // Columns that do not fit stand in a further table, with the first column again.
  function splitColumns(part, body) {
    const table = part.querySelector("table") ?? (part.matches("table") ? part : null);
    if (!table || body.scrollWidth <= body.clientWidth + 1) return null;
    const rest = part.cloneNode(true);
    const others = rest.querySelector("table") ?? rest;
    const count = Math.max(...[...table.rows].map((row) => row.cells.length));
    let kept = count;
    const drop = (rows, from, to) =>
      [...rows].forEach((row) => [...row.cells].forEach((cell, at) => at >= from && at < to && cell.remove()));
    while (kept > 2 && body.scrollWidth > body.clientWidth + 1) drop(table.rows, --kept, count);
    if (body.scrollWidth > body.clientWidth + 1) return null;
    drop(others.rows, 1, kept);
    return rest;
  }

  // A picture or a formula that is alone on its slide and still too large becomes smaller.
  function shrink(part, body) {
    for (const picture of part.matches("img") ? [part] : part.querySelectorAll("img")) {
      for (let height = 520; height > 80 && full(body); height -= 20) picture.style.maxHeight = `${height}px`;
    }
    for (let size = 23; size >= 18 && full(body); size--) part.style.fontSize = `${size}px`;
  }

  function place(part, body, title) {
    body.append(part);
    if (!full(body)) return body;
    if (body.children.length > 1) {
      part.remove();
      // A heading or the words that lead to what follows do not stay alone at the end of a slide.
      const before = body.lastElementChild;
      const takes = before.matches("h3, h4") || (before.matches("p") && part.matches("img, .html, pre, .code, details"));
      const next = addSlide(title, true);
      if (takes && body.children.length > 1) next.append(before);
      next.append(part);
      if (!full(next)) return next;
      body = next;
    }
    const rest = splitColumns(part, body) ?? split(part, body);
    if (rest) return place(rest, addSlide(title, true), title);
    shrink(part, body);
    if (full(body) && body.children.length > 1) {
      part.remove();
      return place(part, addSlide(title, true), title);
    }
    return body;
  }

  await window.MathJax.startup.promise;
  source.hidden = false;
  source.style.cssText = "position:absolute;width:1160px;visibility:hidden";
  source.className = "body";
  await window.MathJax.typesetPromise([source]);
  await Promise.all([...source.querySelectorAll("img")].map((picture) => picture.decode().catch(() => 0)));
  let body = null;
  let title = document.title;
  for (const part of [...source.children]) {
    const level = /^H[1-4]$/.test(part.tagName) ? Number(part.tagName[1]) : 0;
    if (level && level < 3) {
      title = part.innerHTML;
      body = addSlide(title, false);
      slides.at(-1).classList.toggle("title", level === 1);
    } else if (level && body.children.length) {
      body = addSlide(title, true);
      body.append(part);
    } else {
      body = place(part, body ?? addSlide(title, false), title);
    }
  }
  source.remove();
  // On a phone wide formulas and tables scroll by themselves, with a keyboard too.
  for (const slide of slides) {
    const body = slide.querySelector(".body");
    if (flow && body.scrollWidth > body.clientWidth) body.tabIndex = 0;
  }

  let at = 0;
  function show(number) {
    at = Math.min(Math.max(number, 0), slides.length - 1);
    slides.forEach((slide, which) => {
      slide.classList.toggle("shown", which === at);
      slide.inert = !flow && which !== at;
    });
    document.getElementById("count").textContent = `${at + 1} / ${slides.length}`;
    history.replaceState(null, "", `#${at + 1}`);
  }
  function fit() {
    if (flow) return;
    const scale = Math.min(window.innerWidth / 1280, window.innerHeight / 720);
    stage.style.transform = `translate(-50%, -50%) scale(${scale})`;
  }
  const steps = { ArrowRight: 1, PageDown: 1, ArrowDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1, ArrowUp: -1 };
  window.addEventListener("keydown", (event) => {
    if (flow || event.target.closest("summary, button, audio, a") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) show(at + steps[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(slides.length - 1);
    else return;
    event.preventDefault();
  });
  document.getElementById("back").addEventListener("click", () => show(at - 1));
  document.getElementById("forward").addEventListener("click", () => show(at + 1));
  window.addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
  window.addEventListener("resize", fit);
  fit();
  show(Number(location.hash.slice(1)) - 1 || 0);
  document.body.dataset.ready = slides.length;
});
