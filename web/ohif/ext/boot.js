// Runs before OHIF. What upstream writes into index.html as inline scripts, so that the page needs no 'unsafe-inline' for scripts,
// and the three things that app-config.js calls.
window.PUBLIC_URL = '/ohif/';
window.browserImportFunction = module => import(module);

(() => {
  const languageAsked =
    new URLSearchParams(location.search).get('lng') || localStorage.getItem('i18nextLng') || navigator.language || 'fr';
  const entered = location.pathname + location.search;
  const french = languageAsked.toLowerCase().startsWith('fr');
  document.documentElement.lang = french ? 'fr' : 'en';

  const cookie = name =>
    document.cookie
      .split('; ')
      .find(pair => pair.startsWith(`${name}=`))
      ?.slice(name.length + 1);

  // OHIF's DICOMweb client forwards an Authorization header and no other; our session is a cookie, and what changes state by cookie
  // must repeat the CSRF token.
  const { open, send } = XMLHttpRequest.prototype;
  const unsafe = new WeakSet();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    const sameOrigin = new URL(url, location.href).origin === location.origin;
    if (sameOrigin && !['GET', 'HEAD', 'OPTIONS'].includes(method.toUpperCase())) unsafe.add(this);
    else unsafe.delete(this);
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const token = cookie('archipel_csrf');
    if (token && unsafe.has(this)) this.setRequestHeader('X-Archipel-CSRF', decodeURIComponent(token));
    return send.call(this, body);
  };

  // The banner of the training region stands on every screen, this one too.
  fetch('/api/v1/session', { headers: { Accept: 'application/json' } })
    .then(response => (response.ok ? response.json() : {}))
    .then(session => {
      if (!session.demo) return;
      const banner = document.createElement('div');
      banner.className = 'archipel-demo';
      banner.setAttribute('role', 'note');
      banner.textContent = french ? 'DÉMONSTRATION · patients fictifs' : 'DEMONSTRATION · fictitious patients';
      if (document.body) document.body.append(banner);
      else addEventListener('DOMContentLoaded', () => document.body.append(banner));
    })
    .catch(() => {});

  // OHIF translates these while its code loads, before any of ours runs.
  const questions = {
    trackNewSeriesMessage: 'Ajouter cette mesure au compte rendu ?',
    discardSeriesMessage: 'Des mesures sont déjà suivies. Que faire de ces mesures ?',
    discardStudyMessage: 'Les mesures ne peuvent pas porter sur plusieurs examens. Enregistrer les mesures suivies ?',
    hydrateSRMessage: 'Continuer à suivre les mesures de cet examen ?',
    hydrateRTMessage: 'Ouvrir cette segmentation ?',
    hydrateSEGMessage: 'Ouvrir cette segmentation ?',
    discardDirtyMessage: 'Des mesures ne sont pas enregistrées. Les enregistrer ?',
  };

  window.archipel = {
    french,
    questions: Object.fromEntries(
      french ? Object.entries(questions).map(([name, text]) => [`viewportNotification.${name}`, { $set: text }]) : []
    ),
    logo: React =>
      React.createElement(
        'a',
        { href: '/', className: 'archipel-home', title: french ? 'Retour à la liste des examens' : 'Back to the list of exams' },
        React.createElement('span', { 'aria-hidden': true }, '←'),
        React.createElement('img', { src: '/ohif/ext/archipel.svg', alt: '', width: 22, height: 22 }),
        React.createElement('span', null, 'Archipel')
      ),
    onHttpError: error => {
      // The session has ended: sign in again, then come back to the exam that was opened.
      if (error?.status === 401) location.assign(`/?next=${encodeURIComponent(entered)}`);
      else console.warn('DICOMweb answered', error?.status);
    },
  };
})();
