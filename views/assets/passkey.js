// Passkeys: shows what works in this browser, calls its authenticator, and sends the answer in an
// ordinary form.
const { browserSupportsWebAuthn, browserSupportsWebAuthnAutofill, startAuthentication, startRegistration } =
  globalThis.SimpleWebAuthnBrowser

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const status = form.querySelector('[role=status]')
  const optionsJSON = JSON.parse(form.dataset.passkey)
  const isNew = form.dataset.kind === 'create'

  const send = (response) => {
    form.elements.namedItem('response').value = JSON.stringify(response)
    form.submit()
  }
  const fail = (error) => {
    // Asked twice, or the page was closed: there is nothing to report.
    if (error.code !== 'ERROR_CEREMONY_ABORTED' && error.name !== 'AbortError') status.textContent = form.dataset.failed
  }
  const ask = () => {
    status.textContent = ''
    return isNew ? startRegistration({ optionsJSON }) : startAuthentication({ optionsJSON })
  }

  if (browserSupportsWebAuthn()) {
    form.hidden = false
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      ask().then(send, fail)
    })
    if (form.dataset.autofill === 'yes' && (await browserSupportsWebAuthnAutofill())) {
      // The user has not asked for anything yet, so a browser without a passkey is not an error.
      startAuthentication({ optionsJSON, useBrowserAutofill: true }).then(send, () => undefined)
    }
  }
}
