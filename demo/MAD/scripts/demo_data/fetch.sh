# SPDX-License-Identifier: GPL-3.0-or-later
# What a data provider would download; runs in the directory of the data.
echo "sixteen bytes..." > data.txt
