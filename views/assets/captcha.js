// Starts the CAPTCHA of the login page at once, so that it is solved by the time the password is
// typed.
document.querySelector('#without-script').remove()
const widget = document.querySelector('altcha-widget')
const { $altcha } = globalThis
$altcha.algorithms.set('PBKDF2/SHA-256', () => new Worker(widget.dataset.worker))
$altcha.i18n.set('en', { ...$altcha.i18n.get('en'), ...JSON.parse(widget.dataset.strings) })
widget.configure({ language: 'en', hideLogo: true, hideFooter: true })
widget.verify()
