// What OHIF's own French leaves in English, and the words of radiology that it translates badly. Keys are OHIF's English sentences.
export const FRENCH = {
  AboutModal: {
    'Commit hash': 'Empreinte du code',
    'Data citation': 'Citation des données',
    'Important links': 'Liens utiles',
    'Version number': 'Version',
  },
  AppearanceModal: {
    Appearance: 'Apparence',
    Theme: 'Thème',
    'Default Theme': 'Bleu OHIF',
    Custom: 'Personnalisé',
    'Custom Theme': 'Thème personnalisé',
    Hide: 'Masquer',
    Apply: 'Appliquer',
    Clear: 'Effacer',
    'No valid theme tokens found': 'Aucune couleur valide. Chaque ligne doit ressembler à --primary: 220 90% 60%',
    'Paste your custom theme color tokens here': 'Collez ici les couleurs du thème',
  },
  Buttons: {
    'Cobb Angle': 'Angle de Cobb',
    Crosshairs: 'Réticule',
    'Magnify Probe': 'Loupe',
    'Ultrasound Directional': 'Mesure dirigée (échographie)',
    'Window Level Region': 'Fenêtrage d’une région',
    'Window Level': 'Fenêtrage',
    'Adjust window/level presets and customize image contrast settings': 'Préréglages de fenêtrage et contraste de l’image',
    'Advanced Window Level': 'Fenêtrage avancé',
    'Advanced window/level settings with manual controls and presets': 'Fenêtrage avancé, à la main ou par préréglages',
    Box: 'Rectangle',
    'Box Tool': 'Outil rectangle',
    Calibration: 'Étalonnage',
    'Calibration Line': 'Ligne d’étalonnage',
    'Change viewport orientation between axial, sagittal, coronal and reformat planes':
      'Changer de plan : axial, sagittal, coronal ou reformaté',
    'Circle Tool': 'Outil cercle',
    'Configure data overlay options and manage foreground/background display sets': 'Superposer des séries et régler l’ordre des plans',
    'Create new segmentation to enable shapes tool.': 'Créez une segmentation pour utiliser les formes.',
    'Data Overlay': 'Superposition',
    Download: 'Télécharger',
    'Ellipse ROI': 'Zone elliptique',
    'Enable position synchronization on stack viewports': 'Faire défiler les piles ensemble, selon leur position',
    'Freehand Line': 'Ligne libre',
    'Freehand Line Tool': 'Outil ligne libre',
    'Freehand Polygon': 'Polygone libre',
    'Freehand Polygon Tool': 'Outil polygone libre',
    'Image opacity settings': 'Opacité de l’image',
    'Image threshold settings': 'Seuils de l’image',
    Line: 'Ligne',
    'Line Tool': 'Outil ligne',
    'Navigate between segments/measurements and manage their visibility': 'Aller d’un segment ou d’une mesure à l’autre, les montrer ou les cacher',
    Navigation: 'Navigation',
    Opacity: 'Opacité',
    Orientation: 'Orientation',
    Point: 'Point',
    'Point Tool': 'Outil point',
    Polygon: 'Polygone',
    'Polygon Tool': 'Outil polygone',
    'Rectangle ROI': 'Zone rectangulaire',
    'Segment Bidirectional': 'Grand et petit axes du segment',
    'Show Reference Lines': 'Montrer les lignes de référence',
    Status: 'État',
    'Tracking Status': 'Suivi',
    'View and manage tracking status of measurements and annotations': 'Voir et régler le suivi des mesures et annotations',
    'Zoom-in': 'Agrandir',
    'Arrow Annotate Tool': 'Flèche annotée',
    'US Pleura B-line Annotation': 'Lignes B et plèvre (échographie)',
  },
  Common: { Back: 'Retour', localDateFormat: 'DD/MM/YYYY' },
  DataTable: { 'No results.': 'Aucun résultat.', 'Not enough room to display this column': 'Pas assez de place pour cette colonne' },
  ErrorBoundary: { in: 'dans', 'Stack Trace': 'Trace' },
  Header: { Appearance: 'Apparence', Logout: 'Se déconnecter' },
  HotkeysValidators: {
    "Field can't be empty": 'Ce champ ne peut pas être vide',
    'Hotkey is already in use': '« {{action}} » utilise déjà le raccourci {{pressedKeys}}.',
    "It's not possible to define only modifier keys (ctrl, alt and shift) as a shortcut":
      'Ctrl, Alt ou Maj ne suffisent pas à faire un raccourci',
    'Shortcut combination is not allowed': 'Le raccourci {{pressedKeys}} n’est pas permis',
  },
  MeasurementTable: {
    'You have existing tracked measurements. What would you like to do with your existing tracked measurements?':
      'Des mesures sont déjà suivies. Que faire de ces mesures ?',
    'Measurements cannot span across multiple studies. Do you want to save your tracked measurements?':
      'Les mesures ne peuvent pas porter sur plusieurs examens. Enregistrer les mesures suivies ?',
    'Do you want to continue tracking measurements for this study?': 'Continuer à suivre les mesures de cet examen ?',
    'Do you want to open this Segmentation?': 'Ouvrir cette segmentation ?',
    'There are unsaved measurements. Do you want to save it?': 'Des mesures ne sont pas enregistrées. Les enregistrer ?',
  },
  Messages: {
    'Display Set Messages': 'Remarques sur la série',
    1: 'La série n’a aucune image valable.',
    2: 'La position des images manque.',
    3: 'La série ne peut pas être reconstruite en volume.',
    4: 'Les images multivues n’ont pas d’échelle de mesure.',
    5: 'Les images multivues n’ont pas d’orientation.',
    6: 'Les images multivues n’ont pas de position.',
    7: 'Il manque des images.',
    8: 'L’espacement des images est irrégulier.',
    9: 'Les images n’ont pas toutes les mêmes dimensions.',
    10: 'Les images n’ont pas toutes le même nombre de composantes.',
    11: 'Les images n’ont pas toutes la même orientation.',
    12: 'Les positions des images se contredisent.',
    13: 'Série non prise en charge.',
    14: 'La classe SOP {{ sopClassUid }} n’est pas prise en charge.',
    15: 'La série n’indique pas sa classe SOP.',
  },
  Modes: { Microscopy: 'Microscopie', Segmentation: 'Segmentation' },
  CaptureViewportModal: {
    'Save Image': 'Enregistrer l’image',
    'Image copied to clipboard': 'Image copiée dans le presse-papiers',
    'Failed to copy image to clipboard': 'L’image n’a pas pu être copiée',
  },
  SegmentationPanel: {
    Active: 'Active',
    'Add new segmentation': 'Ajouter une segmentation',
    'Add segment': 'Ajouter un segment',
    Contour: 'Contour',
    'Contour Segmentations': 'Segmentations par contours',
    'Download DICOM RTSTRUCT': 'Télécharger en DICOM RTSTRUCT',
    'Download DICOM SEG': 'Télécharger en DICOM SEG',
    'Draw a segment before using bidirectional measurement': 'Dessinez un segment avant d’en mesurer les axes',
    'Export DICOM SEG': 'Exporter en DICOM SEG',
    Fill: 'Remplissage',
    'Inactive segmentations': 'Segmentations inactives',
    Labelmap: 'Carte d’étiquettes',
    'No description': 'Sans description',
    Outline: 'Contour',
    'Segment Bidirectional': 'Grand et petit axes du segment',
    'Segmentation not supported': 'Segmentation non prise en charge',
    Size: 'Taille',
  },
  StudyItem: { 'Tracked series': '{{trackedSeries}} séries suivies' },
  StudyList: { AccessionNumber: 'N° d’accession', Upload: 'Envoyer' },
  ThumbnailTracked: { 'Series is tracked': 'Série suivie', 'Series is untracked': 'Série non suivie', Viewport: 'Vue' },
  TooltipClipboard: { Copied: 'Copié', 'Failed to copy': 'Copie impossible' },
  TrackedCornerstoneViewport: {
    'Series is tracked and can be viewed in the measurement panel': 'Série suivie : ses mesures sont dans le panneau',
    'Measurements for untracked series will not be shown in the measurements panel':
      'Les mesures d’une série non suivie ne sont pas dans le panneau',
  },
  UserPreferencesModal: {
    'No hotkeys found': 'Aucun raccourci n’est réglé.',
    ResetDefaultMessage: 'Préférences remises par défaut. <br /> Cliquez sur <strong>Enregistrer</strong> pour les garder.',
    SaveMessage: 'Préférences enregistrées',
  },
};

// Sentences that OHIF writes without asking for a translation: hints, and what stands on buttons, in dialogs and menus.
export const HARD_CODED = {
  'Action Menu': 'Actions',
  'Add to existing report': 'Ajouter au compte rendu',
  'All studies': 'Tous les examens',
  Cancel: 'Annuler',
  Close: 'Fermer',
  Copy: 'Copier',
  'Copy to clipboard': 'Copier dans le presse-papiers',
  'Create Report': 'Créer un compte rendu',
  'Create new report': 'Nouveau compte rendu',
  'Create new series': 'Nouvelle série',
  'Data Overlay': 'Superposition',
  Delete: 'Supprimer',
  Discard: 'Abandonner',
  'File type': 'Type de fichier',
  'Image navigation scrollbar': 'Défilement des images',
  'Instance Number': 'Numéro d’image',
  Language: 'Langue',
  Loading: 'Chargement',
  Measurements: 'Mesures',
  'Next page': 'Page suivante',
  No: 'Non',
  'No, discard existing': 'Non, abandonner les mesures présentes',
  'No, discard previously tracked series & measurements': 'Non, abandonner les séries et mesures suivies',
  'No options found.': 'Aucun choix.',
  'Open settings': 'Réglages',
  'Previous page': 'Page précédente',
  'Report name': 'Nom du compte rendu',
  'Rows per page': 'Lignes par page',
  Save: 'Enregistrer',
  'Search metadata': 'Chercher un attribut',
  'Select a series': 'Choisir une série',
  Series: 'Série',
  'Series description': 'Description de la série',
  'Series Description': 'Description de la série',
  'Study date': 'Date de l’examen',
  'Study Date': 'Date de l’examen',
  'Untrack Series': 'Ne plus suivre la série',
  'Untrack Study': 'Ne plus suivre l’examen',
  'Are you sure you want to untrack this series?': 'Ne plus suivre cette série ?',
  'Are you sure you want to untrack study and delete all measurements?': 'Ne plus suivre l’examen et supprimer toutes les mesures ?',
  'Window Level': 'Fenêtrage',
  Yes: 'Oui',
  list: 'liste',
  thumbnails: 'vignettes',
  'List view': 'Liste',
  'Thumbnail view': 'Vignettes',
};

const HINTS = ['title', 'aria-label', 'placeholder'];
// The list of series and the viewports are left alone: what the images say of themselves is never translated.
const OWN_TEXT = '[role=dialog] :is(button, label, h2, p, .mb-1), [role=tooltip], [data-cy=viewport-notification] button';
const I18NEXT = 26104; // its module in the bundles of OHIF 3.13.2, whose SHA-512 hatch_build.py checks

/** Add our French to OHIF's, and translate what it writes in English all the same. */
export function speakFrench() {
  globalThis.rspackChunk.push([
    [Symbol('archipel')],
    {},
    require => {
      for (const [namespace, texts] of Object.entries(FRENCH)) require(I18NEXT).A.addResourceBundle('fr', namespace, texts, true, true);
    },
  ]);
  translateHardCoded(document.body);
  new MutationObserver(changes => changes.forEach(({ target }) => translateHardCoded(target))).observe(document.body, {
    childList: true,
    subtree: true,
    characterData: true,
    attributeFilter: HINTS,
  });
}

function translateHardCoded(root) {
  const top = root instanceof Element ? root : root.parentElement;
  if (!top) return;
  for (const element of [top, ...top.querySelectorAll(HINTS.map(hint => `[${hint}]`).join())]) translateHints(element);
  const own = top.closest(OWN_TEXT) ? [top] : top.querySelectorAll(OWN_TEXT);
  for (const element of own) translateTexts(element);
}

function translateHints(element) {
  for (const hint of HINTS) {
    const english = element.getAttribute(hint);
    const french = english && Object.hasOwn(HARD_CODED, english) && HARD_CODED[english];
    if (french) element.setAttribute(hint, french);
  }
}

function translateTexts(element) {
  for (const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT); texts.nextNode(); ) {
    const french = Object.hasOwn(HARD_CODED, texts.currentNode.data) && HARD_CODED[texts.currentNode.data];
    if (french) texts.currentNode.data = french;
  }
}
