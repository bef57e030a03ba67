// Our OHIF extension: plain ES modules that OHIF imports at run time, no build.
import { createMammographyProtocol, registerMammographyAttributes } from './mammography.js';
import { keepSameScale } from './same-scale.js';
import { speakFrench } from './french.js';
import { broadcastMeasurements } from './measurements-out.js';

let stops = [];

export default {
  id: '@archipel/ohif-extension',
  preRegistration({ servicesManager }) {
    window.archipel.services = servicesManager.services;
    if (window.archipel.french) speakFrench();
    registerMammographyAttributes(servicesManager.services.hangingProtocolService);
  },
  onModeEnter({ servicesManager }) {
    stops = [keepSameScale(servicesManager.services), broadcastMeasurements(servicesManager.services)];
  },
  onModeExit() {
    for (const stop of this.stops ?? []) stop();
    stops = [];
  },
  getHangingProtocolModule() {
    const protocol = createMammographyProtocol();
    return [{ name: protocol.id, protocol }];
  },
};
