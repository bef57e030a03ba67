// Measurements made in the viewer, told live to our other windows (the report editor) through a BroadcastChannel: same origin only.
const FACTS = ['MEASUREMENT_ADDED', 'MEASUREMENT_UPDATED', 'MEASUREMENT_REMOVED'];

export function broadcastMeasurements({ measurementService }) {
  const channel = new BroadcastChannel('archipel-measurements');
  const subscriptions = FACTS.map(fact =>
    measurementService.subscribe(measurementService.EVENTS[fact], ({ measurement }) => channel.postMessage(message(fact, measurement)))
  );
  return () => {
    subscriptions.forEach(subscription => subscription.unsubscribe());
    channel.close();
  };
}

function message(fact, measurement) {
  // A removal carries the uid alone.
  if (typeof measurement === 'string') return { fact, uid: measurement };
  const { uid, label, displayText, referenceStudyUID, referenceSeriesUID, SOPInstanceUID, frameNumber } = measurement;
  return JSON.parse(JSON.stringify({ fact, uid, label, displayText, referenceStudyUID, referenceSeriesUID, SOPInstanceUID, frameNumber }));
}
