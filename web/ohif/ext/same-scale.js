// Mammograms side by side are compared at one scale: the same number of millimetres per screen pixel in every viewport of the layout.
// OHIF fits each image to its own viewport; we take the largest field and give every viewport the scale that it needs.
import { breastView, chestWallOf, PROTOCOL_ID } from './mammography.js';

const SETTLE_MS = 200;

export function keepSameScale({ viewportGridService, cornerstoneViewportService, hangingProtocolService, displaySetService }) {
  let timer;
  let lastLayout = '';

  const apply = () => {
    if (hangingProtocolService.getActiveProtocol()?.protocol?.id !== PROTOCOL_ID) return;
    const shown = mammograms(viewportGridService, cornerstoneViewportService, displaySetService);
    const layout = shown.map(({ viewport, fitted }) => `${viewport.id}:${viewport.getCurrentImageId?.()}:${fitted.toFixed(4)}`).join('|');
    // A person's zoom stays: only another layout, image or canvas size is scaled again.
    if (!shown.length || layout === lastLayout) return;
    lastLayout = layout;
    const scale = Math.max(...shown.map(({ fitted }) => fitted));
    for (const { viewport, fitted, x } of shown) {
      const ratio = scale / fitted;
      viewport.setDisplayArea({
        storeAsInitialCamera: true,
        imageArea: [ratio, ratio],
        imageCanvasPoint: { imagePoint: [x, 0.5], canvasPoint: [x, 0.5] },
      });
      viewport.render();
    }
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(apply, SETTLE_MS);
  };
  const { EVENTS: dataEvents } = cornerstoneViewportService;
  const { EVENTS: gridEvents } = viewportGridService;
  const subscriptions = [
    cornerstoneViewportService.subscribe(dataEvents.VIEWPORT_DATA_CHANGED, later),
    viewportGridService.subscribe(gridEvents.GRID_STATE_CHANGED, later),
    viewportGridService.subscribe(gridEvents.GRID_SIZE_CHANGED, later),
  ];
  // Images arrive after the layout; the last one decides the scale.
  const poll = setInterval(later, 1000);
  return () => {
    clearTimeout(timer);
    clearInterval(poll);
    subscriptions.forEach(subscription => subscription.unsubscribe());
  };
}

function mammograms(viewportGridService, cornerstoneViewportService, displaySetService) {
  const shown = [];
  for (const [viewportId, { displaySetInstanceUIDs }] of viewportGridService.getState().viewports) {
    const view = breastView(displaySetService.getDisplaySetByUID(displaySetInstanceUIDs?.[0])?.instances?.[0]);
    const viewport = view && cornerstoneViewportService.getCornerstoneViewport(viewportId);
    const image = viewport?.getImageData?.();
    if (!image) continue;
    const [columns, rows] = image.dimensions;
    const [columnSpacing, rowSpacing] = image.spacing;
    const { width, height } = viewport.canvas;
    // mm per pixel at which the whole image fits this canvas
    shown.push({ viewport, x: chestWallOf(view), fitted: Math.max((columns * columnSpacing) / width, (rows * rowSpacing) / height) });
  }
  return shown;
}
