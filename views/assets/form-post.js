// Submits the form of the form_post answer at once; without JavaScript the user presses its button.
HTMLFormElement.prototype.submit.call(document.forms[0])
