// Sends the form of the form_post answer at once; without JavaScript its button does.
HTMLFormElement.prototype.submit.call(document.forms[0])
