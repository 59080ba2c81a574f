// Sends the answer to the application without a click. The button is there for who has no JavaScript.
document.getElementById("answer").submit();
