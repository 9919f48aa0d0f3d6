# SPDX-License-Identifier: MIT
.PHONY: print-flags lint test-lint
print-flags:
	@echo 'bare: $(BARE_FLAGS)'
	@echo 'hosted: $(HOSTED_CORE_FLAGS)'
lint: $(GEN) ## the rules of the blueprint
	$(Q)tests/lint/lint
test-lint: $(GEN)
	$(Q)tests/lint/selftest
