# SPDX-License-Identifier: MIT
# How much of the core the hosted tests run: the unit tests on a library built with gcov's counters.
VARIANT_cov := -O1 -DMAESTRO_DEBUG --coverage $(SAN_FRAMES)
$(eval $(call hosted_variant,cov))
$(eval $(call unit_variant,cov))

.PHONY: coverage
coverage: build/cov/unit-tests ## line coverage of core/fs and core/vfs by the hosted tests (COVER="core/mm" for others)
	$(Q)find build/cov -name '*.gcda' -delete
	$(Q)$(UNIT_RUN) $< || true
	$(Q)tests/coverage/report build/cov $(or $(COVER),core/fs core/vfs)
