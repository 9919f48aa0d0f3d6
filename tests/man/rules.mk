# SPDX-License-Identifier: MIT
.PHONY: test-man
test-man: build/libmaestro.a ## the examples of the library's manual pages: compiled and run
	$(Q)tests/man/run build/libmaestro.a libmaestro/include build/tests/man
