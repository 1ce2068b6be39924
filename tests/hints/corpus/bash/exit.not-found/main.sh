prinf "hi"
