// A JupyterLab extension for the lessons. Cells that hold C++ (%%firmware) are coloured and indented as C++ and have line
// numbers, by which the compiler's messages name a place. Pictures have their description as alternative text, for readers
// who do not see them. It is written as JupyterLab's bundler would leave it, so it needs no build: a container of webpack's
// module federation, which takes JupyterLab's own modules from `scope`.
(() => {
  const NAME = 'edgekit-lessons';
  const CPP = 'text/x-c++src';
  const BEGIN = '%%firmware';
  let shared;

  async function moduleOfLab(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  async function showCpp(app, tracker, languages) {
    // An editor shows the language that was loaded last, so all of them are loaded before any cell changes.
    await Promise.all([CPP, 'text/x-python', 'text/x-ipython'].map(type => languages.getLanguage(type)));
    const shown = new WeakSet(); // cells that are shown as C++
    const watched = new WeakSet();

    function show(cell, notebook) {
      const isCpp = cell.model.sharedModel.getSource().startsWith(BEGIN);
      if (isCpp && cell.model.mimeType !== CPP) {
        cell.model.mimeType = CPP;
      }
      if (isCpp !== shown.has(cell)) {
        cell.updateEditorConfig({ lineNumbers: isCpp });
        shown[isCpp ? 'add' : 'delete'](cell);
        if (!isCpp) {
          cell.model.mimeType = notebook.codeMimetype;
        }
      }
    }

    function watch(panel) {
      const notebook = panel.content;
      const look = () => {
        for (const cell of notebook.widgets) {
          if (cell.model && cell.model.type === 'code') {
            if (!watched.has(cell)) {
              watched.add(cell);
              cell.model.mimeTypeChanged.connect(() => show(cell, notebook)); // the kernel's language comes late
            }
            show(cell, notebook);
          }
        }
      };
      notebook.modelContentChanged.connect(look);
      void panel.revealed.then(look);
    }

    tracker.widgetAdded.connect((_, panel) => watch(panel));
    tracker.forEach(watch);
  }

  function describePictures(RenderedImage, registry) {
    class DescribedImage extends RenderedImage {
      async render(model) {
        await super.render(model);
        const { alt } = model.metadata[this.mimeType] || {};
        const image = this.node.querySelector('img');
        if (alt && image) {
          image.alt = alt;
        }
      }
    }
    const createRenderer = options => new DescribedImage(options);
    registry.addFactory({ safe: true, mimeTypes: ['image/png'], defaultRank: 90, createRenderer });
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: scope => {
      shared = scope;
    },
    get: async () => {
      const { INotebookTracker } = await moduleOfLab('@jupyterlab/notebook');
      const { IEditorLanguageRegistry } = await moduleOfLab('@jupyterlab/codemirror');
      const { IRenderMimeRegistry, RenderedImage } = await moduleOfLab('@jupyterlab/rendermime');
      const plugins = [
        {
          id: `${NAME}:cpp`,
          autoStart: true,
          requires: [INotebookTracker, IEditorLanguageRegistry],
          activate: showCpp
        },
        {
          id: `${NAME}:pictures`,
          autoStart: true,
          requires: [IRenderMimeRegistry],
          activate: (app, registry) => describePictures(RenderedImage, registry)
        }
      ];
      return () => ({ __esModule: true, default: plugins });
    }
  };
})();
