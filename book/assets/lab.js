// Says, next to a stored widget, that it needs a running notebook to answer.
document.addEventListener("DOMContentLoaded", () => {
  const views = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const outputs = new Set([...document.querySelectorAll(views)].map((view) => view.parentElement));
  for (const output of outputs) {
    const note = document.createElement("p");
    note.className = "lab-widget-note";
    note.textContent =
      "This shows the starting position. To move the sliders, open the notebook with make lab. · 这里显示初始状态；要移动滑块，请用 make lab 打开笔记本。";
    output.prepend(note);
    // Pictures of widgets appear later, and say what they show in their tooltip at most.
    new MutationObserver(() => {
      for (const picture of output.querySelectorAll("img.widget-image")) {
        const words = picture.title || "The picture of this control in its starting position";
        if (picture.alt !== words) picture.alt = words;
      }
      // The handle of a slider has a role but no name; its label stands beside it.
      for (const handle of output.querySelectorAll('.noUi-handle:not([aria-label])')) {
        const label = handle.closest(".widget-slider, .widget-hslider")?.querySelector(".widget-label");
        handle.setAttribute("aria-label", label?.textContent.trim() || note.textContent);
      }
    }).observe(output, { attributeFilter: ["title"], childList: true, subtree: true });
  }
});

// The widget manager speaks to MathJax 2 (a queue of commands); the pages carry MathJax 3. This
// listener is registered before the widget manager's own, so it runs first.
window.addEventListener("load", () => {
  if (!window.MathJax || window.MathJax.Hub) return;
  window.MathJax.Hub = {
    Queue(...commands) {
      for (const [name, , element] of commands) {
        if (name === "Typeset") window.MathJax.startup.promise.then(() => window.MathJax.typesetPromise([element]));
      }
    },
  };
});

// Demonstrations: a model that runs in the page. Nothing is loaded before the reader asks for it.
const labScript = document.currentScript.src;

document.addEventListener("DOMContentLoaded", () => {
  for (const demo of document.querySelectorAll(".lab-demo")) frameDemonstration(demo);
});

function frameDemonstration(demo) {
  const line = document.createElement("p");
  line.className = "lab-demo-line";
  demo.append(line);
  if (location.protocol === "file:") {
    line.textContent =
      "To try it, this page must come from a server: run python -m http.server in the folder of the site. · 要在页面中运行，需由服务器提供本页：请在网站文件夹中执行 python -m http.server。";
    return;
  }
  const size = demo.dataset.megabytes ? ` (${demo.dataset.megabytes} MB)` : "";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lab-button lab-demo-button";
  button.textContent = `Try it in this page · 在本页试试${size}`;
  line.append(button);
  button.addEventListener("click", async () => {
    button.disabled = true;
    line.setAttribute("role", "status");
    line.append(" Loading … · 正在加载……");
    const root = document.createElement("div");
    root.className = "lab-demo-root";
    root.tabIndex = -1;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", demo.dataset.title || demo.dataset.demo);
    demo.insertBefore(root, line);
    try {
      const module = await import(new URL(`web/${demo.dataset.demo}.js`, labScript));
      await module.start(root);
    } catch (error) {
      root.remove();
      line.textContent = `This could not start here, so the picture stays (${error.message}). · 未能在此启动，保留静态图片。`;
      return;
    }
    demo.classList.add("lab-demo-started");
    line.remove();
    root.focus({ preventScroll: true });
  });
}

// Quizzes: the reason for a chosen answer is shown and announced; the first try counts.
document.addEventListener("DOMContentLoaded", () => {
  for (const quiz of document.querySelectorAll("form.lab-quiz")) {
    const groups = [...quiz.querySelectorAll("fieldset")];
    quiz.addEventListener("submit", (event) => event.preventDefault());
    quiz.addEventListener("change", (event) => {
      const group = event.target.closest("fieldset");
      const right = event.target.value === "true";
      group.dataset.first ??= right;
      group.dataset.now = right;
      const said = group.querySelector(".lab-quiz-said");
      const why = event.target.closest("label").nextElementSibling;
      said.innerHTML = `<strong>${right ? quiz.dataset.right : quiz.dataset.wrong}</strong> ${why.innerHTML}`;
      if (groups.every((one) => one.dataset.first)) {
        const count = groups.filter((one) => one.dataset.first === "true").length;
        quiz.querySelector(".lab-quiz-count").textContent = quiz.dataset.count
          .replace("{right}", count).replace("{all}", groups.length);
      }
    });
  }
});
