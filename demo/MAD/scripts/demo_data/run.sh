# SPDX-License-Identifier: GPL-3.0-or-later
echo "demo_data: $MAD_DATANAME in $MAD_DATAHOME holds $(cat "$MAD_DATAHOME/data.txt")"
echo "performance: 1 files"
