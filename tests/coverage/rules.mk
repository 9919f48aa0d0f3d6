# SPDX-License-Identifier: MIT
# How much of the core the hosted tests run: unit tests, images of ext3 and ext4, and random operations beside the host's ext2, on a library built with
# gcov's counters. The parts that need root and loop devices say so and count nothing without them.
VARIANT_cov := -O1 -DMAESTRO_DEBUG --coverage $(SAN_FRAMES)
$(foreach v,hosted unit image,$(eval $(call $(v)_variant,cov)))
build/cov/ext2-ops: tests/fs/ext2-ops.c build/cov/libmaestro.o
	$(say) LD $@
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -O1 -o $@ $^ -lgcov -pthread -ldl

.PHONY: coverage
coverage: build/cov/unit-tests build/cov/image build/cov/ext2-ops ## line coverage of core/fs and core/vfs by the hosted tests (COVER="core/mm" for others)
	$(Q)find build/cov -name '*.gcda' -delete
	$(Q)$(UNIT_RUN) $< || echo 'coverage: unit tests failed: what they would have run after that is missing below'
	$(Q)tests/fs/diff-ext2 build/cov/ext2-ops 800 1 8 >build/cov/diff.log 2>&1 || tail -n 3 build/cov/diff.log
	$(Q)tests/images/test-ext4 build/cov/image >build/cov/ext4.log 2>&1 || tail -n 3 build/cov/ext4.log
	$(Q)tests/coverage/report build/cov $(or $(COVER),core/fs core/vfs)
