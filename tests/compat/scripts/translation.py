"""Sequence to sequence with attention and teacher forcing: digits reversed."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

SOS_token, EOS_token, PAD = 0, 1, 2


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size, dropout_p=0.0):
        super(EncoderRNN, self).__init__()
        self.embedding = nn.Embedding(input_size, hidden_size, padding_idx=PAD)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input, lengths):
        packed = pack_padded_sequence(self.dropout(self.embedding(input)), lengths, batch_first=True, enforce_sorted=False)
        output, hidden = self.gru(packed)
        return pad_packed_sequence(output, batch_first=True)[0], hidden


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super(BahdanauAttention, self).__init__()
        self.Wa, self.Ua, self.Va = nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        weights = F.softmax(scores.squeeze(2).unsqueeze(1), dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super(AttnDecoderRNN, self).__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, encoder_outputs, encoder_hidden, target_tensor, forcing):
        batch_size = encoder_outputs.size(0)
        decoder_input = torch.empty(batch_size, 1, dtype=torch.long).fill_(SOS_token)
        decoder_hidden, outputs, attentions = encoder_hidden, [], []
        for i in range(target_tensor.size(1)):
            embedded = self.embedding(decoder_input)
            query = decoder_hidden.permute(1, 0, 2)
            context, weights = self.attention(query, encoder_outputs)
            output, decoder_hidden = self.gru(torch.cat((embedded, context), dim=2), decoder_hidden)
            output = self.out(output)
            outputs.append(output)
            attentions.append(weights)
            if forcing:
                decoder_input = target_tensor[:, i].unsqueeze(1)
            else:
                _, topi = output.topk(1)
                decoder_input = topi.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1), torch.cat(attentions, dim=1)


rng = np.random.default_rng(0)
source = [torch.tensor(rng.integers(3, 9, n)) for n in rng.integers(2, 6, 24)]
x = pad_sequence(source, batch_first=True, padding_value=PAD)
y = pad_sequence([torch.cat([s.flip(0), torch.tensor([EOS_token])]) for s in source], batch_first=True, padding_value=PAD)
lengths = torch.tensor([len(s) for s in source])
encoder, decoder = EncoderRNN(9, 16), AttnDecoderRNN(16, 9)
with torch.no_grad():
    for p in [*encoder.parameters(), *decoder.parameters()]:
        p.copy_(torch.tensor(rng.normal(0, 0.2, tuple(p.shape))))
encoder_optimizer, decoder_optimizer = optim.Adam(encoder.parameters(), lr=0.01), optim.Adam(decoder.parameters(), lr=0.01)
criterion, curve = nn.NLLLoss(ignore_index=PAD), []
for step in range(12):
    encoder_optimizer.zero_grad()
    decoder_optimizer.zero_grad()
    outputs, hidden = encoder(x, lengths)
    decoded, attentions = decoder(outputs, hidden, y, step % 4 != 3)
    loss = criterion(decoded.view(-1, decoded.size(-1)), y.view(-1))
    loss.backward()
    encoder_optimizer.step()
    decoder_optimizer.step()
    curve.append(loss.item())
RESULT = {"curve": curve, "attentions": list(attentions.shape)}
