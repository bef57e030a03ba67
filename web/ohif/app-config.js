// OHIF's settings. One data source, our own DICOMweb on the same origin; the sources that follow a `?url=` (dicomwebproxy, dicomjson:
// CVE-2026-12473), local files, `?configUrl=` and `?customization=` stay switched off.
window.config = {
  routerBasename: '/ohif',
  // The list of exams is the web app's; the arrow of the logo below leads there.
  showStudyList: false,
  extensions: ['/ohif/ext/archipel.js'],
  modes: [],
  // Of these the best match hangs: the mammography layout for mammograms, else OHIF's own.
  modesConfiguration: {
    '@ohif/mode-longitudinal': { hangingProtocol: { $set: ['archipel.mammography', 'default'] } },
  },
  // No guided tour over the images of the first exam that a person opens.
  customizationService: [{ 'ohif.tours': { $set: [] } }, window.archipel.questions],
  whiteLabeling: { createLogoComponentFn: React => window.archipel.logo(React) },
  // Whose images these are stays on the screen.
  showPatientInfo: 'visible',
  investigationalUseDialog: { option: 'never' },
  maxNumberOfWebWorkers: 3,
  maxNumRequests: { interaction: 100, thumbnail: 10, prefetch: 25 },
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  showErrorDetails: 'production',
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  dangerouslyUseDynamicConfig: { enabled: false },
  httpErrorHandler: error => window.archipel.onHttpError(error),
  defaultDataSourceName: 'archipel',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'archipel',
      configuration: {
        friendlyName: 'Archipel',
        name: 'archipel',
        wadoUriRoot: '/dicom-web',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        supportsStow: true,
        supportsReject: false,
        dicomUploadEnabled: false,
        enableStudyLazyLoad: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'thumbnail',
        thumbnailRequestStrategy: 'fetch',
        singlepart: 'bulkdata,video,pdf',
        omitQuotationForMultipartRequest: true,
        bulkDataURI: { enabled: true, relativeResolution: 'studies' },
      },
    },
  ],
};
