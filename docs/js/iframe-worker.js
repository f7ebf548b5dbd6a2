/* Lets the search work where the site is opened from a folder: browsers start no Worker from a file. This one runs the
   worker's script in a hidden frame of the page, which has the three things that the search uses: messages in both
   directions and importScripts. Over HTTP nothing is changed. The theme looks for the name of this file. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const scope = frame.contentWindow
      const load = source =>
        new Promise((resolve, reject) => {
          const script = scope.document.createElement("script")
          script.src = source
          script.onload = resolve
          script.onerror = reject
          scope.document.body.appendChild(script)
        })
      scope.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => load(source)), Promise.resolve())
      scope.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.scope = scope
      this.ready = load(new URL(url, document.baseURI).href)
    }

    postMessage(data) {
      this.ready.then(() => this.scope.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.scope.frameElement.remove()
    }
  }
}
