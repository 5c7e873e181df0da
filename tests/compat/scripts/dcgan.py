"""Two networks against each other."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
import torchvision.utils as vutils


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


class Generator(nn.Module):
    def __init__(self, nz=4, ngf=4):
        super(Generator, self).__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False), nn.BatchNorm2d(ngf * 2), nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, 1, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self, ndf=4):
        super(Discriminator, self).__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(ndf, ndf * 2, 2, 1, 0, bias=False),
            nn.BatchNorm2d(ndf * 2), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(ndf * 2, 1, 3, 1, 0, bias=False), nn.Sigmoid())

    def forward(self, input):
        return self.main(input)


torch.manual_seed(999)
netG, netD = Generator(), Discriminator()
netG.apply(weights_init)
netD.apply(weights_init)
rng = np.random.default_rng(0)
with torch.no_grad():
    for net in (netG, netD):
        for p in net.parameters():
            if p.dim() > 1:
                p.copy_(torch.tensor(rng.normal(0, 0.1, tuple(p.shape))))
            else:
                p.fill_(0.5)
criterion = nn.BCELoss()
optimizerD = optim.Adam(netD.parameters(), lr=0.002, betas=(0.5, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=0.002, betas=(0.5, 0.999))
real_label, fake_label, curve = 1.0, 0.0, []
for step in range(10):
    netD.zero_grad()
    real = torch.from_numpy(rng.normal(0, 1, (16, 1, 8, 8)).astype("float32")).cumsum(-1).tanh()
    b_size = real.size(0)
    label = torch.full((b_size,), real_label, dtype=torch.float)
    errD_real = criterion(netD(real).view(-1), label)
    errD_real.backward()
    fake = netG(torch.from_numpy(rng.normal(0, 1, (b_size, 4, 1, 1)).astype("float32")))
    label.fill_(fake_label)
    errD_fake = criterion(netD(fake.detach()).view(-1), label)
    errD_fake.backward()
    optimizerD.step()
    netG.zero_grad()
    label.fill_(real_label)
    errG = criterion(netD(fake).view(-1), label)
    errG.backward()
    optimizerG.step()
    curve += [(errD_real + errD_fake).item(), errG.item()]
grid = vutils.make_grid(fake.detach(), padding=2, normalize=True)
RESULT = {"curve": curve, "grid": list(grid.shape)}
