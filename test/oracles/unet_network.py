"""The U-Net of ts/nn/unet.ts in PyTorch, with the same names of the state: for unet.py and bench/peers/localizer.py."""

import torch
from torch import nn
from torch.nn import functional as F


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Up(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.reduce = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.convolve = DoubleConv(2 * channels, channels)

    def forward(self, coarse, skip):
        up = F.interpolate(self.reduce(coarse), scale_factor=2, mode="nearest")
        return self.convolve(torch.cat((skip, up), dim=1))


class UNet(nn.Module):
    def __init__(self, outputs, width, levels, inputChannels=1, outputStride=1):
        super().__init__()
        channels = [width << level for level in range(levels)]
        finest = outputStride - 1
        self.encoder = nn.ModuleList(DoubleConv(a, b) for a, b in zip([inputChannels] + channels, channels))
        self.decoder = nn.ModuleDict({str(level): Up(channels[level]) for level in range(finest, levels - 1)})
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(channels[finest], outputs, 1)

    def blocks(self):
        """The parts in the order of execution."""
        return [*self.encoder, *reversed(self.decoder.values()), self.head]

    def forward(self, x):
        maps = []
        for block in self.encoder:
            maps.append(block(self.pool(maps[-1]) if maps else x))
        self.bottleneck = y = maps.pop()
        for up in reversed(self.decoder.values()):
            y = up(y, maps.pop())
        return self.head(y)
