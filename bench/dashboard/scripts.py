"""What runs in the pages that are measured. Browsers tell times in milliseconds."""

PROBE = """(() => {
    const probe = (window.probe = { interactions: new Map(), longTasks: [], layouts: [] });
    new PerformanceObserver((list) => {
        for (const { interactionId: id, duration } of list.getEntries())
            if (id) probe.interactions.set(id, Math.max(duration, probe.interactions.get(id) ?? 0));
    }).observe({ type: "event", durationThreshold: 16, buffered: true });
    new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) probe.longTasks.push(duration);
    }).observe({ type: "longtask", buffered: true });
    probe.shown = (selector) =>
        new Promise((resolve) => {
            const look = () => {
                if (document.querySelector(selector)) setTimeout(() => resolve(performance.now()));
                else requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        });
    const Helper = window.Worker;
    window.Worker = class extends Helper {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", () => probe.layouts.push(performance.now() - this.askedAt));
        }
        postMessage(...given) {
            this.askedAt = performance.now();
            super.postMessage(...given);
        }
    };
})()"""
"""What runs before any script of the page. `shown` is when a frame with such an element has been drawn."""

SHOWN = "(selector) => probe.shown(selector)"
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
LONG_TASKS = "() => probe.longTasks.splice(0)"
LAYOUTS = "() => probe.layouts"
INTERACTIONS = "() => ({ slow: [...probe.interactions.values()], all: performance.interactionCount })"
"""Interactions that took less than 16 ms until the next frame are only counted."""

PRESSED = """async ([pressed, selector]) => {
    const begun = performance.now();
    document.querySelector(pressed).click();
    return (await probe.shown(selector)) - begun;
}"""

TURNED = """async ([pressed, row]) => {
    const first = () => document.querySelector(row)?.id;
    const [begun, was] = [performance.now(), first()];
    document.querySelector(pressed).click();
    while (first() === was) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
}"""

LOADED = """async ([rows, rowHeight]) => {
    const grid = document.querySelector(".grid.fill");
    const frame = () => new Promise(requestAnimationFrame);
    const count = () => Math.round(grid.scrollHeight / rowHeight) - 1;
    const begun = performance.now();
    let [had, since] = [count(), performance.now()];
    while (count() < rows && performance.now() - since < 20_000) {
        grid.scrollTop = grid.scrollHeight;
        await frame();
        if (count() > had) [had, since] = [count(), performance.now()];
    }
    return [count(), (performance.now() - begun) / 1000];
}"""
"""Go to the end of the rows until so many are loaded, or no more come."""

SCROLLED = """async (frames) => {
    const grid = document.querySelector(".grid.fill");
    const whole = grid.scrollHeight - grid.clientHeight;
    let nodes = 0;
    for (let nth = 0; nth <= frames; nth++) {
        grid.scrollTop = (whole * nth) / frames;
        await new Promise(requestAnimationFrame);
        nodes = Math.max(nodes, grid.querySelectorAll("[role=row]").length);
    }
    return nodes;
}"""
"""Goes from the first row to the last, a jump with each frame; returns the most rows that were in the document."""

WATCH_BOXES = """() => {
    probe.touched = new Set();
    new MutationObserver((changes) => {
        for (const { target } of changes) {
            const element = target instanceof Element ? target : target.parentElement;
            probe.touched.add(element?.closest(".workflow-box")?.dataset.box ?? "outside");
        }
    }).observe(document.querySelector(".workflow-plane"), {
        subtree: true, childList: true, attributes: true, characterData: true,
    });
}"""
TOUCHED_BOXES = "() => probe.touched.size"
