# SPDX-License-Identifier: MIT
.PHONY: print-flags lint test-lint
print-flags:
	@echo 'bare: $(BARE_FLAGS)'
	@echo 'hosted: $(HOSTED_CORE_FLAGS)'
lint: build/maestro.elf ## the rules of the blueprint
	$(Q)tests/lint/lint
test-lint: build/maestro.elf ## shows that lint finds what it is for
	$(Q)tests/lint/selftest
