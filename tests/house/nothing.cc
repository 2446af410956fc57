// Empty on purpose: headers_test.py compiles it with one header in front.
