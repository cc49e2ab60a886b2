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
