// Our OHIF extension: plain ES modules that OHIF imports at run time, no build.
import { createMammographyProtocols, registerMammographyAttributes } from './mammography.js';
import { keepSameScale } from './same-scale.js';
import { broadcastMeasurements } from './measurements-out.js';

export default {
  id: '@archipel/ohif-extension',
  preRegistration({ servicesManager }) {
    registerMammographyAttributes(servicesManager.services.hangingProtocolService);
  },
  onModeEnter({ servicesManager }) {
    this.stops = [keepSameScale(servicesManager.services), broadcastMeasurements(servicesManager.services)];
  },
  onModeExit() {
    for (const stop of this.stops ?? []) stop();
    this.stops = [];
  },
  getHangingProtocolModule() {
    return createMammographyProtocols().map(protocol => ({ name: protocol.id, protocol }));
  },
};
