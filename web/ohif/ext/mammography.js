// Screening mammography: four views back to back, chest walls in the middle of each pair, over the prior's four views.
// OHIF's own hpMammo leaves viewports empty (rules on PatientOrientation, upstream issue 5532): we match on laterality and view.

const VIEWS = ['RCC', 'LCC', 'RMLO', 'LMLO'];
export const PROTOCOL_ID = 'archipel.mammography';

// SNOMED and SNOMED-RT codes of CID 4014, for images without a View Position.
const VIEW_OF_CODE = {
  '399162004': 'CC',
  'R-10242': 'CC',
  '399368009': 'MLO',
  'R-10226': 'MLO',
  '399260004': 'ML',
  'R-10228': 'ML',
};

export function registerMammographyAttributes(hangingProtocolService) {
  hangingProtocolService.addCustomAttribute('archipelBreastView', 'Laterality and view of a mammogram', displaySet =>
    breastView(displaySet?.instances?.[0] ?? displaySet?.images?.[0])
  );
}

export function breastView(instance) {
  if (!instance || instance.Modality !== 'MG') return undefined;
  const laterality = instance.ImageLaterality || instance.FrameLaterality || instance.Laterality || '';
  const codes = [].concat(instance.ViewCodeSequence ?? []);
  const view = instance.ViewPosition || VIEW_OF_CODE[codes[0]?.CodeValue] || '';
  return laterality && view ? laterality + view : undefined;
}

const selector = (view, studyIndex) => ({
  seriesMatchingRules: [
    { weight: 10, attribute: 'Modality', constraint: { equals: 'MG' }, required: true },
    { weight: 20, attribute: 'archipelBreastView', constraint: { equals: { value: view } }, required: true },
    // A presentation image before the raw one of the same view.
    { weight: 5, attribute: 'PresentationIntentType', constraint: { equals: 'FOR PRESENTATION' } },
  ],
  studyMatchingRules: [{ attribute: 'studyInstanceUIDsIndex', from: 'options', required: true, constraint: { equals: { value: studyIndex } } }],
});

export const chestWallOf = view => (view.startsWith('R') ? 1 : 0);

const displayArea = view => {
  const x = chestWallOf(view);
  return { storeAsInitialCamera: true, imageArea: [1, 1], imageCanvasPoint: { imagePoint: [x, 0.5], canvasPoint: [x, 0.5] } };
};

// Zoom and pan move the same view of both exams together.
const viewport = (id, view) => ({
  viewportOptions: {
    toolGroupId: 'default',
    viewportType: 'stack',
    displayArea: displayArea(view),
    allowUnmatchedView: true,
    syncGroups: [{ type: 'zoompan', id: `archipel-${view}`, source: true, target: true }],
  },
  displaySets: [{ id }],
});

const current = views => views.map(view => viewport(view, view));
const prior = views => views.map(view => viewport(`${view}Prior`, view));

const stage = (name, rows, columns, viewports, minViewportsMatched) => ({
  name,
  stageActivation: { enabled: { minViewportsMatched } },
  viewportStructure: { layoutType: 'grid', properties: { rows, columns } },
  viewports,
});

export function createMammographyProtocol() {
  const french = window.archipel?.french;
  const compare = french ? 'et antériorité' : 'and prior';
  const pair = (name, views) => stage(`${name} ${compare}`, 2, 2, [...current(views), ...prior(views)], 3);
  return {
    id: PROTOCOL_ID,
    name: french ? 'Mammographie' : 'Mammography',
    // The first stage that has its images is shown: with the prior when it was opened too, else the four views alone.
    numberOfPriorsReferenced: 0,
    hasUpdatedPriorsInformation: false,
    toolGroupIds: ['default'],
    protocolMatchingRules: [
      { id: 'mammography', weight: 500, attribute: 'ModalitiesInStudy', constraint: { contains: 'MG' }, required: true },
    ],
    displaySetSelectors: Object.fromEntries(
      VIEWS.flatMap(view => [
        [view, selector(view, 0)],
        [`${view}Prior`, selector(view, 1)],
      ])
    ),
    stages: [
      stage(`${french ? '4 vues' : '4 views'} ${compare}`, 2, 4, [...current(VIEWS), ...prior(VIEWS)], 5),
      stage(french ? '4 vues' : '4 views', 1, 4, current(VIEWS), 1),
      stage('2 × 2', 2, 2, current(VIEWS), 1),
      pair('CC', ['RCC', 'LCC']),
      pair('MLO', ['RMLO', 'LMLO']),
    ],
  };
}
